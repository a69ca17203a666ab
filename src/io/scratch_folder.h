// A folder for work that may be killed.
#pragma once

#include <string>

#include "base/result.h"

namespace lowbit::io {

// Disappears with the object. A process that is killed leaves its folder behind; the next one made in the same place
// removes it, known by a lock that no process holds.
class ScratchFolder {
 public:
  // PARENT/PREFIX-XXXXXX; an error where it cannot be made.
  static Result<ScratchFolder> make(const std::string& parent, const std::string& prefix);
  ScratchFolder(ScratchFolder&& other) noexcept;
  ScratchFolder& operator=(ScratchFolder&& other) noexcept;
  ~ScratchFolder();
  const std::string& path() const { return path_; }

 private:
  ScratchFolder() = default;
  std::string path_;
  int lock_ = -1;
};

}  // namespace lowbit::io

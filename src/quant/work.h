// The work folder of a long job: each finished piece is a file, so that a job killed at any moment and started again
// goes on where it was and ends with the same bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace lowbit::quant {

class WorkFolder {
 public:
  // Opens or makes the folder. key: everything that the pieces depend on; a folder of another key is emptied.
  static Result<WorkFolder> open(const std::string& path, const std::string& key);

  bool has(const std::string& piece) const;
  Result<MappedFile> read(const std::string& piece) const;
  // Appears whole or not at all.
  Status write(const std::string& piece, std::span<const std::byte> bytes) const;
  // Deletes the folder: the job is done.
  void remove() const;
  bool resumed() const { return resumed_; }

 private:
  std::string file(const std::string& piece) const { return path_ + "/" + piece; }
  std::string path_;
  bool resumed_ = false;
};

}  // namespace lowbit::quant

// The work folder of a long job: each finished piece is a file, so that a job killed at any moment and started again
// goes on where it was and ends with the same bytes.
//
// In the folder: `key` (what all pieces depend on), `lock` (held by the job that works there) and pieces, NAME.piece,
// each with its SHA-256 at the end. Nothing else is ever deleted.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace lowbit::quant {

// A piece as it was written; copies share the map.
class WorkPiece {
 public:
  explicit WorkPiece(MappedFile file) : file_(std::move(file)) {}
  const std::string& path() const { return file_.path(); }
  std::span<const std::byte> bytes() const;
  std::shared_ptr<const void> owner() const { return file_.owner(); }

 private:
  MappedFile file_;
};

class WorkFolder {
 public:
  // Opens or makes the folder and locks it for this object and its copies. key: everything that the pieces depend on;
  // the pieces of another key are deleted. Errors: a folder that holds anything but a work folder's files, one in
  // which another job works.
  static Result<WorkFolder> open(const std::string& path, const std::string& key);

  const std::string& path() const { return path_; }
  // Whether the piece is there and whole. A damaged one is deleted: it will be computed again.
  bool has(const std::string& piece) const;
  Result<WorkPiece> read(const std::string& piece) const;
  // Appears whole or not at all.
  Status write(const std::string& piece, std::span<const std::byte> bytes) const;
  Status erase(const std::string& piece) const;
  // Deletes our files, and the folder where nothing else is in it: the job is done. Gives the lock back.
  Status remove();
  bool resumed() const { return resumed_; }
  // Whether any piece is there.
  bool empty() const;

 private:
  struct State;  // the lock, and which pieces are known to be whole
  std::string file(const std::string& piece) const { return path_ + "/" + piece + ".piece"; }
  Status clear() const;

  std::string path_;
  std::shared_ptr<State> state_;
  bool resumed_ = false;
};

}  // namespace lowbit::quant

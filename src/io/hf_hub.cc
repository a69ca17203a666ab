#include "io/hf_hub.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>

#include "base/nearest.h"
#include "io/gguf_split.h"
#include "io/hf_download.h"
#include "io/hf_folder.h"
#include "io/hf_listing.h"
#include "io/url.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostListing = 32 << 20;         // bytes of the description of a repository
constexpr uint64_t kMostBytes = uint64_t{1} << 44;  // of a file
constexpr size_t kMostNamed = 40;                   // files in a message
constexpr const char* kConfig = "config.json";

bool is_top_level(std::string_view file) { return file.find('/') == file.npos; }

// What a folder needs beside its weights.
bool is_document(std::string_view file) {
  if (file == "1_Pooling/config.json" || file == "tokenizer.model") return true;
  if (!is_top_level(file)) return false;
  return file.ends_with(".json") || file.ends_with(".jinja") || file.ends_with(".txt");
}

std::string listed(const std::vector<std::string>& files) {
  const std::vector<std::string> first(files.begin(),
                                       files.begin() + static_cast<ptrdiff_t>(std::min(files.size(), kMostNamed)));
  std::string text = printable(fmt::format("{}", fmt::join(first, ", ")), 4000);
  if (files.size() > kMostNamed) text += fmt::format(" and {} more", files.size() - kMostNamed);
  return text;
}

std::vector<std::string> where(const std::vector<std::string>& all,
                               const std::function<bool(const std::string&)>& is) {
  std::vector<std::string> some;
  std::ranges::copy_if(all, std::back_inserter(some), is);
  return some;
}

bool holds(const std::vector<std::string>& all, const std::string& file) {
  return std::ranges::find(all, file) != all.end();
}

// The GGUF files, of split ones the first part where it is there.
std::vector<std::string> gguf_models(const std::vector<std::string>& all) {
  const std::set<std::string_view> there(all.begin(), all.end());
  return where(all, [&](const std::string& file) {
    if (!file.ends_with(".gguf")) return false;
    const std::string first = first_of_split(file);
    return first == file || !there.contains(first);
  });
}

// The safetensors files that open_hf_folder reads: many repositories hold the weights a second time in another form.
std::vector<std::string> weight_files(const std::vector<std::string>& all) {
  if (holds(all, "model.safetensors")) return {"model.safetensors"};
  auto weights = where(all, [](const std::string& f) { return is_top_level(f) && f.ends_with(".safetensors"); });
  if (!holds(all, "model.safetensors.index.json")) return weights;
  auto shards = where(weights, [](const std::string& f) { return f.starts_with("model-"); });
  return shards.empty() ? weights : shards;
}

Result<std::vector<std::string>> choose_file(const HfName& name, const std::vector<std::string>& all) {
  std::vector<std::string> files = split_paths(name.file);
  const std::set<std::string_view> there(all.begin(), all.end());
  for (const std::string& file : files) {
    if (there.contains(file)) continue;
    const std::vector<std::string_view> names(all.begin(), all.end());
    std::string hint = did_you_mean(file, names);
    if (hint.empty()) hint = "; it holds " + listed(all);
    return errorf("{}: the repository holds no file {}{}", name.text(), shown(file), hint);
  }
  if (name.file.ends_with(".safetensors") && is_top_level(name.file)) {
    std::ranges::copy_if(all, std::back_inserter(files), is_document);
  }
  return files;
}

// The sentence about an answer that is not what was asked for.
Error refusal(const HfHub& hub, const HfName& name, const HttpAnswer& answer, const std::string& what) {
  std::string said = answer.header("x-error-message");
  if (!said.empty()) said = fmt::format(" ({})", printable(said, 200));
  const std::string url = shown_url(answer.url);
  if (answer.status == 401 || answer.status == 403) {
    return errorf(
        "{}: {} answers {}{}: the repository is gated or private, or does not exist; {}", name.text(), url,
        answer.status, said,
        hub.token.empty()
            ? fmt::format("accept its terms at {}/{} and set HF_TOKEN to a token of yours", shown_url(hub.endpoint),
                          name.repo)
            : fmt::format("the token in use (HF_TOKEN) has no access; accept the terms at {}/{} with its account",
                          shown_url(hub.endpoint), name.repo));
  }
  if (answer.status == 404) return errorf("{}: {} answers 404{}: there is no {}", name.text(), url, said, what);
  return errorf("{}: {} answers {}{}, expected 200", name.text(), url, answer.status, said);
}

Result<HfListing> ask(const HfHub& hub, const HfName& name, const ProgressFn& progress) {
  report_progress(progress, "asking the hub", 0, 0);
  HttpClient client(hub.policy);
  HttpText text(kMostListing);
  const std::string url =
      fmt::format("{}/api/models/{}/revision/{}", hub.endpoint, name.repo, percent_encoded(name.revision, false));
  const auto answer = client.get({url, hub.token}, text);
  if (!answer.ok()) return errorf("{}: {}", name.text(), answer.message());
  if (answer->status != 200) {
    return refusal(hub, name, *answer, fmt::format("repository {} with the revision {}", name.repo, name.revision));
  }
  auto listing = parse_hf_listing(text.text());
  if (!listing.ok()) return errorf("{}: {}: {}", name.text(), shown_url(answer->url), listing.message());
  return listing;
}

// An entity tag without quotes and mark of weakness.
std::string tag_text(std::string tag) {
  if (tag.starts_with("W/")) tag.erase(0, 2);
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
  return tag;
}

Result<HfBlob> describe(const HfHub& hub, const HfName& name, const std::string& commit, const std::string& file,
                        HttpClient& client) {
  HfBlob blob;
  blob.url = fmt::format("{}/{}/resolve/{}/{}", hub.endpoint, name.repo, commit, percent_encoded(file, true));
  LOWBIT_ASSIGN(const HttpAnswer answer, client.head({blob.url, hub.token}));
  if (answer.status >= 400) return refusal(hub, name, answer, fmt::format("file {}", shown(file)));
  const std::string found = answer.header("x-repo-commit");
  if (!found.empty() && found != commit) {
    return errorf("{}: is of the commit {}, expected {}", shown_url(blob.url), shown(found), commit);
  }
  const bool whole = answer.status == 200;  // else the headers of the content itself are elsewhere
  std::string size = answer.header("x-linked-size"), tag = answer.header("x-linked-etag");
  if (size.empty() && whole) size = answer.header("content-length");
  if (tag.empty() && whole) tag = answer.header("etag");
  blob.hash = tag_text(tag);
  const auto read = std::from_chars(size.data(), size.data() + size.size(), blob.bytes);
  if (size.empty() || read.ptr != size.data() + size.size() || read.ec != std::errc() || blob.bytes > kMostBytes) {
    return errorf("{}: answers {} with the size {}, expected a number up to {}", shown_url(blob.url), answer.status,
                  shown(size), kMostBytes);
  }
  if (!is_sha256(blob.hash) && !is_sha1(blob.hash)) {
    return errorf("{}: answers {} with the entity tag {}, expected a SHA-256 or a SHA-1 of git", shown_url(blob.url),
                  answer.status, shown(tag));
  }
  return blob;
}

Status bring(const HfHub& hub, const HfName& name, const HfRepo& repo, const std::string& commit,
             const std::vector<std::string>& files, const ProgressFn& progress) {
  const auto missing = where(files, [&](const std::string& file) { return !repo.has(commit, file); });
  std::vector<HfBlob> blobs(missing.size());
  LOWBIT_TRY(for_each_in_parallel(
      missing.size(), hub.policy,
      [&](size_t i, HttpClient& client, const std::atomic<bool>&) -> Status {
        LOWBIT_ASSIGN(blobs[i], describe(hub, name, commit, missing[i], client));
        return {};
      },
      [&] { report_progress(progress, "asking the hub", 0, 0); }));
  LOWBIT_TRY(download_blobs(repo, blobs, hub.token, hub.policy, progress));
  // A snapshot with a config.json counts as complete, so that its link comes last.
  std::optional<size_t> last;
  for (size_t i = 0; i < missing.size(); ++i) {
    if (missing[i] == kConfig) {
      last = i;
    } else {
      LOWBIT_TRY(repo.link(commit, missing[i], blobs[i].hash));
    }
  }
  return last ? repo.link(commit, kConfig, blobs[*last].hash) : Status();
}

// The model of these files, which are in the cache.
HfModel model_of(const HfRepo& repo, const HfName& name, const std::string& commit,
                 const std::vector<std::string>& files) {
  HfModel model;
  model.commit = commit;
  const bool is_folder = name.file.empty() && holds(files, kConfig);
  model.path = is_folder ? repo.snapshot(commit) : repo.file(commit, files[0]);
  std::error_code error;
  for (const std::string& file : files) {
    model.files.push_back(repo.file(commit, file));
    const uint64_t bytes = fs::file_size(model.files.back(), error);
    model.bytes += error ? 0 : bytes;
  }
  if (files.size() == 1) model.hash = fs::canonical(model.files[0], error).filename().string();
  return model;
}

// Whether a snapshot holds what a folder needs; where the hub cannot be asked, the tokenizer may be missing.
bool is_complete_folder(const HfRepo& repo, const std::string& commit, const std::vector<std::string>& files,
                        bool offline) {
  const auto weights = hf_weight_files(repo.snapshot(commit));
  if (!holds(files, kConfig) || !weights.ok()) return false;
  const bool all = std::ranges::all_of(*weights, [&](const std::string& file) { return repo.has(commit, file); });
  const bool words = std::ranges::any_of(files, [](const std::string& file) {
    return file == "tokenizer.json" || file == "tokenizer.model" || file == "vocab.txt" || file == "vocab.json";
  });
  return all && (words || offline);
}

}  // namespace

Result<HfHub> HfHub::from_environment() {
  HfHub hub;
  const char* endpoint = std::getenv("HF_ENDPOINT");
  hub.endpoint = endpoint == nullptr || *endpoint == '\0' ? "https://huggingface.co" : endpoint;
  while (hub.endpoint.ends_with('/')) hub.endpoint.pop_back();
  const auto origin = origin_of(hub.endpoint);
  if (!origin.ok()) return errorf("HF_ENDPOINT: {}", origin.message());
  LOWBIT_ASSIGN(hub.cache, hf_cache_folder());
  LOWBIT_ASSIGN(hub.token, hf_token());
  hub.offline = hf_is_offline();
  return hub;
}

Result<std::vector<std::string>> choose_hf_files(const HfName& name, const std::vector<std::string>& all) {
  if (!name.file.empty()) return choose_file(name, all);
  std::vector<std::string> weights = weight_files(all);
  if (!weights.empty() && holds(all, kConfig)) {
    std::ranges::copy_if(all, std::back_inserter(weights), is_document);
    return weights;
  }
  const auto ggufs = gguf_models(all);
  if (ggufs.size() == 1) return choose_file({name.repo, name.revision, ggufs[0]}, all);
  if (!ggufs.empty()) {
    return errorf("{}: the repository holds several GGUF files and no safetensors; name one as hf:{}:FILE: {}",
                  name.text(), name.repo, listed(ggufs));
  }
  return errorf("{}: the repository holds neither a config.json with safetensors files nor a GGUF file; it holds {}",
                name.text(), all.empty() ? "nothing" : listed(all));
}

Result<HfModel> cached_hf_model(const HfHub& hub, const HfName& name) {
  const HfRepo repo(hub.cache, name.repo);
  const std::string commit = repo.commit_of(name.revision);
  if (commit.empty()) return errorf("{}: not in the cache {}", name.text(), hub.cache);
  const auto present = repo.files(commit);
  const auto chosen = choose_hf_files(name, present);
  if (!chosen.ok()) return errorf("{}: {}", repo.snapshot(commit), chosen.message());
  const bool folder = holds(*chosen, kConfig);
  if (folder && name.file.empty() && !is_complete_folder(repo, commit, present, hub.offline)) {
    return errorf("{}: not all files of {} are there", repo.snapshot(commit), name.text());
  }
  // The only GGUF file of the cache need not be the only one of the repository.
  if (!folder && name.file.empty() && !hub.offline) {
    return errorf("{}: whether {} has other files, only the hub knows", repo.snapshot(commit), name.text());
  }
  return model_of(repo, name, commit, *chosen);
}

Result<HfModel> pull_hf_model(const HfHub& hub, const HfName& name, const ProgressFn& progress) {
  const HfRepo repo(hub.cache, name.repo);
  if (hub.offline) {
    auto cached = cached_hf_model(hub, name);
    if (cached.ok()) return cached;
    return errorf("{}; HF_HUB_OFFLINE forbids to ask {}", cached.message(), shown_url(hub.endpoint));
  }
  auto asked = ask(hub, name, progress);
  if (!asked.ok()) {
    HfHub alone = hub;
    alone.offline = true;
    const auto cached = cached_hf_model(alone, name);
    if (!cached.ok()) return asked.error();
    return errorf("{}; HF_HUB_OFFLINE=1 takes what the cache has, {}", asked.message(), cached->path);
  }
  const HfListing listing = std::move(asked).value();
  LOWBIT_ASSIGN(const std::vector<std::string> files, choose_hf_files(name, listing.files));
  LOWBIT_TRY(bring(hub, name, repo, listing.commit, files, progress));
  LOWBIT_TRY(repo.make_folders());
  LOWBIT_TRY(repo.set_revision(name.revision, listing.commit));
  return model_of(repo, name, listing.commit, files);
}

Result<HfModel> find_hf_model(const HfHub& hub, const HfName& name, const ProgressFn& progress) {
  auto cached = cached_hf_model(hub, name);
  return cached.ok() ? cached : pull_hf_model(hub, name, progress);
}

}  // namespace lowbit::io

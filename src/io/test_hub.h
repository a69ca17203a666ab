// For the tests: a Hugging Face hub on this machine.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "io/hf_hub.h"
#include "io/test_files.h"
#include "io/test_server.h"

namespace lowbit::io::test {

inline std::string digest_of(const EVP_MD* kind, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, kind, nullptr);
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += "0123456789abcdef"[digest[i] >> 4];
    out += "0123456789abcdef"[digest[i] & 15];
  }
  return out;
}

// What a hub tells of a content: the SHA-256 of large files, of small ones what git calls them.
inline std::string hub_hash(std::string_view content, bool large) {
  if (large) return digest_of(EVP_sha256(), content);
  std::string blob = "blob " + std::to_string(content.size());
  blob += '\0';
  return digest_of(EVP_sha1(), blob.append(content));
}

// The hub of one repository, whose large files lie on another host. `change` may change any answer.
class FakeHub {
 public:
  static constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";
  using Change = std::function<void(const ServerRequest&, ServerAnswer&)>;

  explicit FakeHub(std::map<std::string, std::string> files)
      : files_(std::move(files)),
        store_([this](const ServerRequest& request) { return store(request); }),
        hub_([this](const ServerRequest& request) { return answer(request); }) {}

  std::string endpoint() const { return hub_.url(); }
  TestServer& hub() { return hub_; }
  TestServer& store() { return store_; }
  // Both are to be called while no client runs.
  void change(Change change) { change_ = std::move(change); }
  void change_store(Change change) { change_store_ = std::move(change); }
  void set_listing(std::string listing) { listing_ = std::move(listing); }
  void set_commit(std::string commit) { commit_ = std::move(commit); }
  std::map<std::string, std::string>& files() { return files_; }

  static bool is_large(const std::string& file) { return file.ends_with(".safetensors") || file.ends_with(".gguf"); }

 private:
  ServerAnswer store(const ServerRequest& request) {
    ServerAnswer answer = send_part(request, files_.at(request.path.substr(1, request.path.find('?') - 1)));
    answer.headers.emplace_back("ETag", "\"of the store\"");
    if (change_store_) change_store_(request, answer);
    return answer;
  }
  static ServerAnswer send_part(const ServerRequest& request, const std::string& content) {
    ServerAnswer answer;
    answer.body = content;
    if (!request.headers.contains("range")) return answer;
    const uint64_t from = request.from();
    answer.status = from < content.size() ? 206 : 416;
    answer.body = from < content.size() ? content.substr(from) : "";
    answer.headers.emplace_back("Content-Range", "bytes " + std::to_string(from) + "-" +
                                                     std::to_string(content.size() - 1) + "/" +
                                                     std::to_string(content.size()));
    return answer;
  }
  ServerAnswer answer(const ServerRequest& request) {
    ServerAnswer answer = truth(request);
    if (change_) change_(request, answer);
    return answer;
  }
  ServerAnswer truth(const ServerRequest& request) {
    if (request.path == "/api/models/org/tiny/revision/main") return listing();
    const std::string begin = "/org/tiny/resolve/" + commit_ + "/";
    const std::string file = request.path.starts_with(begin) ? request.path.substr(begin.size()) : "";
    if (!files_.contains(file)) return {404, {{"X-Error-Message", "Entry not found"}}, "{}"};
    const std::string& content = files_.at(file);
    const std::string tag = "\"" + hub_hash(content, is_large(file)) + "\"";
    if (!is_large(file)) {
      ServerAnswer answer = send_part(request, content);
      answer.headers.insert(answer.headers.end(), {{"ETag", tag}, {"X-Repo-Commit", commit_}});
      return answer;
    }
    return {302,
            {{"X-Linked-Size", std::to_string(content.size())},
             {"X-Linked-ETag", tag},
             {"X-Repo-Commit", commit_},
             {"Location", store_.url("localhost") + "/" + file + "?Signature=secret"}},
            "Found."};
  }
  ServerAnswer listing() const {
    if (!listing_.empty()) return {200, {}, listing_};
    std::string text;
    for (const auto& [file, content] : files_)
      text += (text.empty() ? "" : ",") + ("{\"rfilename\":\"" + file + "\"}");
    return {200,
            {{"Content-Type", "application/json"}},
            R"({"id":"org/tiny","sha":")" + commit_ + R"(","siblings":[)" + text + "]}"};
  }

  std::map<std::string, std::string> files_;
  std::string listing_, commit_ = kCommit;
  Change change_, change_store_;
  TestServer store_, hub_;
};

// Content that differs everywhere, so that bytes in the wrong place are seen.
inline std::string content_of(size_t size, uint32_t seed) {
  std::string text(size, '\0');
  for (char& c : text) {
    seed = seed * 1664525u + 1013904223u;
    c = static_cast<char>(seed >> 24);
  }
  return text;
}

inline const HfName kName = {"org/tiny", "main", ""};

class HfHubTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("no_proxy", "*", 1);
    hub_.endpoint = fake_.endpoint();
    hub_.cache = folder_ / "hub";
    hub_.policy.first_wait = 0.01;
    hub_.policy.longest_wait = 0.02;
    hub_.policy.stall = 3;
  }
  Result<HfModel> pull(const std::string& file = "") const {
    return pull_hf_model(hub_, {kName.repo, kName.revision, file}, {});
  }
  std::string error_of_pull(const std::string& file = "") const {
    const auto model = pull(file);
    return model.ok() ? "no error" : model.message();
  }
  // All names below the cache, of files and links; without locks.
  std::vector<std::string> cached() const {
    std::vector<std::string> names;
    if (!std::filesystem::exists(hub_.cache)) return names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(hub_.cache)) {
      if (!entry.is_directory() && entry.path().extension() != ".lock") names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }
  // Neither a blob nor a file under a final name nor a revision.
  bool nothing_final() const {
    return std::ranges::all_of(cached(), [](const std::string& name) { return name.ends_with(".incomplete"); });
  }
  std::string repo(const std::string& rest) const { return hub_.cache + "/models--org--tiny/" + rest; }
  std::string weights_hash() const { return hub_hash(weights_, true); }
  void expect_whole(const Result<HfModel>& model) const {
    ASSERT_TRUE(model.ok()) << model.message();
    EXPECT_EQ(model->path, repo("snapshots/" + std::string(FakeHub::kCommit)));
    EXPECT_EQ(read_file(model->path + "/model.safetensors"), weights_);
    EXPECT_EQ(read_file(model->path + "/config.json"), "{\"model_type\": \"llama\"}\n");
  }

  std::string weights_ = content_of(300'000, 1);
  FakeHub fake_{{{"config.json", "{\"model_type\": \"llama\"}\n"},
                 {"tokenizer.json", content_of(20'000, 2)},
                 {"vocab.txt", "hello\n"},
                 {"empty.txt", ""},
                 {"1_Pooling/config.json", "{}"},
                 {"model.safetensors", weights_},
                 {"pytorch_model.bin", "not wanted"},
                 {"README.md", "not wanted"},
                 {"onnx/model.onnx", "not wanted"},
                 {"q4/tiny.Q4_0.gguf", content_of(50'000, 3)}}};
  TemporaryFolder folder_;
  HfHub hub_;
};

}  // namespace lowbit::io::test

#include "io/hf_hub.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <set>

#include "io/hf_download.h"
#include "io/test_files.h"
#include "io/test_server.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;
using test::FakeHub;
using test::ServerAnswer;
using test::ServerRequest;

// Content that differs everywhere, so that bytes in the wrong place are seen.
std::string content_of(size_t size, uint32_t seed) {
  std::string text(size, '\0');
  for (char& c : text) {
    seed = seed * 1664525u + 1013904223u;
    c = static_cast<char>(seed >> 24);
  }
  return text;
}

const HfName kName = {"org/tiny", "main", ""};

class HfHubTest : public testing::Test {
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
    if (!fs::exists(hub_.cache)) return names;
    for (const auto& entry : fs::recursive_directory_iterator(hub_.cache)) {
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
  std::string weights_hash() const { return test::hub_hash(weights_, true); }
  void expect_whole(const Result<HfModel>& model) const {
    ASSERT_TRUE(model.ok()) << model.message();
    EXPECT_EQ(model->path, repo("snapshots/" + std::string(FakeHub::kCommit)));
    EXPECT_EQ(test::read_file(model->path + "/model.safetensors"), weights_);
    EXPECT_EQ(test::read_file(model->path + "/config.json"), "{\"model_type\": \"llama\"}\n");
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
  test::TemporaryFolder folder_;
  HfHub hub_;
};

TEST_F(HfHubTest, a_folder_in_the_layout_of_hugging_face) {
  const auto model = pull();
  expect_whole(model);
  EXPECT_EQ(model->files.size(), 6u);
  EXPECT_EQ(model->commit, FakeHub::kCommit);
  EXPECT_EQ(test::read_file(repo("refs/main")), FakeHub::kCommit);
  EXPECT_EQ(fs::read_symlink(model->path + "/model.safetensors"), "../../blobs/" + weights_hash());
  // git hash-object of "hello\n" and of nothing.
  EXPECT_EQ(fs::read_symlink(model->path + "/vocab.txt"), "../../blobs/ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(fs::read_symlink(model->path + "/empty.txt"), "../../blobs/e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(fs::read_symlink(model->path + "/1_Pooling/config.json").string().rfind("../../../blobs/", 0), 0u);
  EXPECT_EQ(test::read_file(model->path + "/1_Pooling/config.json"), "{}");
  EXPECT_EQ(fake_.hub().requests("GET", ".bin").size() + fake_.hub().requests("GET", ".md").size(), 0u);

  // A second pull asks for the revision alone; the cache needs no hub at all.
  fake_.hub().forget();
  expect_whole(pull());
  EXPECT_EQ(fake_.hub().requests().size(), 1u);
  fake_.hub().forget();
  expect_whole(find_hf_model(hub_, kName, {}));
  EXPECT_EQ(fake_.hub().requests().size(), 0u);
  hub_.offline = true;
  hub_.endpoint = "http://127.0.0.1:1";
  expect_whole(pull());
  hub_.offline = false;
  EXPECT_NE(error_of_pull().find("HF_HUB_OFFLINE=1 takes what the cache has, " + model->path), std::string::npos);
}

TEST_F(HfHubTest, a_new_commit_brings_what_changed) {
  expect_whole(pull());
  fake_.hub().forget();
  fake_.store().forget();
  const std::string commit(40, 'a');
  fake_.set_commit(commit);
  fake_.files()["vocab.txt"] = "other\n";
  const auto model = pull();
  ASSERT_TRUE(model.ok()) << model.message();
  EXPECT_EQ(model->path, repo("snapshots/" + commit));
  EXPECT_EQ(test::read_file(model->path + "/vocab.txt"), "other\n");
  EXPECT_EQ(test::read_file(model->path + "/model.safetensors"), weights_);
  EXPECT_EQ(fake_.store().requests().size(), 0u);
  EXPECT_EQ(test::read_file(repo("refs/main")), commit);
}

TEST_F(HfHubTest, the_token_stays_with_the_hub) {
  hub_.token = "hf_secret";
  expect_whole(pull());
  for (const ServerRequest& request : fake_.hub().requests()) {
    EXPECT_EQ(request.header("authorization"), "Bearer hf_secret") << request.path;
  }
  const auto stored = fake_.store().requests();
  ASSERT_FALSE(stored.empty());
  for (const ServerRequest& request : stored) {
    for (const auto& [name, value] : request.headers) EXPECT_EQ(value.find("hf_secret"), value.npos) << name;
    EXPECT_EQ(request.path.find("hf_secret"), std::string::npos);
  }
}

TEST_F(HfHubTest, one_file_and_a_split_one) {
  const auto one = pull("q4/tiny.Q4_0.gguf");
  ASSERT_TRUE(one.ok()) << one.message();
  EXPECT_EQ(one->path, repo("snapshots/" + std::string(FakeHub::kCommit) + "/q4/tiny.Q4_0.gguf"));
  EXPECT_EQ(test::read_file(one->path), content_of(50'000, 3));
  EXPECT_EQ(one->hash, test::hub_hash(content_of(50'000, 3), true));
  EXPECT_EQ(one->bytes, 50'000u);
  fake_.hub().forget();
  ASSERT_TRUE(find_hf_model(hub_, {"org/tiny", "main", "q4/tiny.Q4_0.gguf"}, {}).ok());
  EXPECT_EQ(fake_.hub().requests().size(), 0u);
  EXPECT_NE(error_of_pull("q4/tiny.Q4_1.gguf").find("did you mean q4/tiny.Q4_0.gguf?"), std::string::npos);

  fake_.files() = {{"a-00001-of-00002.gguf", "one"}, {"a-00002-of-00002.gguf", "two"}};
  fake_.set_commit(std::string(40, 'b'));
  const auto split = pull();  // the only model there is
  ASSERT_TRUE(split.ok()) << split.message();
  EXPECT_TRUE(split->path.ends_with("/a-00001-of-00002.gguf"));
  ASSERT_EQ(split->files.size(), 2u);
  EXPECT_EQ(test::read_file(split->files[1]), "two");
}

TEST(HfFiles, which_make_the_model) {
  const HfName name = {"o/n", "main", ""};
  const auto chosen = [&](std::vector<std::string> all) {
    const auto files = choose_hf_files(name, all);
    return files.ok() ? std::set<std::string>(files->begin(), files->end()) : std::set<std::string>{files.message()};
  };
  using Set = std::set<std::string>;
  EXPECT_EQ(chosen({"config.json", "model.safetensors", "consolidated.safetensors", "a.bin", "chat_template.jinja"}),
            (Set{"config.json", "model.safetensors", "chat_template.jinja"}));
  EXPECT_EQ(chosen({"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                    "model.safetensors.index.json", "consolidated.safetensors", "original/x.safetensors"}),
            (Set{"config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                 "model.safetensors.index.json"}));
  EXPECT_EQ(chosen({"config.json", "a.gguf"}), (Set{"a.gguf"}));
  EXPECT_EQ(
      chosen({"config.json", "a.gguf", "b.gguf"}),
      (Set{"hf:o/n: the repository holds several GGUF files and no safetensors; name one as hf:o/n:FILE: a.gguf, "
           "b.gguf"}));
  EXPECT_NE(chosen({"config.json", "pytorch_model.bin"}).begin()->find("it holds config.json, pytorch_model.bin"),
            std::string::npos);
}

TEST(HfNames, parts) {
  const auto name = parse_hf_name("hf:Org/a.b-c:sub/x@y.gguf@v1");
  ASSERT_TRUE(name.ok()) << name.message();
  EXPECT_EQ(name->repo, "Org/a.b-c");
  EXPECT_EQ(name->file, "sub/x@y.gguf");
  EXPECT_EQ(name->revision, "v1");
  EXPECT_EQ(parse_hf_name(name->text())->text(), name->text());
  EXPECT_EQ(parse_hf_name("hf:o/n@refs/pr/1")->revision, "refs/pr/1");
  EXPECT_EQ(parse_hf_name("hf:o/n@v1:f")->revision, "v1");
  EXPECT_EQ(parse_hf_name("hf:o/n")->revision, "main");
  for (const char* wrong :
       {"hf:", "hf:o", "hf:o/n/m", "hf:../n", "hf:o/..", "hf:o/n:", "hf:o/n:/etc/x", "hf:o/n:../x", "hf:o/n:a//b",
        "hf:o/n@", "hf:o/n@../x", "hf:o--p/n", "hf:o/n@a:f@b", "hf:o/n?x", "hf:o/ n"}) {
    EXPECT_FALSE(parse_hf_name(wrong).ok()) << wrong;
  }
}

TEST_F(HfHubTest, a_broken_connection_is_gone_on_with) {
  // Breaks after 10000, 0, 70000, 1 and 100000 bytes, then lives.
  std::vector<uint64_t> cuts = {10'000, 0, 70'000, 1, 100'000};
  std::mutex mutex;
  fake_.change_store([&](const ServerRequest&, ServerAnswer& answer) {
    const std::lock_guard lock(mutex);
    if (cuts.empty()) return;
    answer.cut = cuts.front();
    cuts.erase(cuts.begin());
  });
  expect_whole(pull());
  std::vector<uint64_t> from;
  uint64_t sent = 0;
  for (const ServerRequest& request : fake_.store().requests()) {
    from.push_back(request.from());
    sent += request.sent;
  }
  EXPECT_EQ(from, (std::vector<uint64_t>{0, 10'000, 10'000, 80'000, 80'001, 180'001}));
  EXPECT_EQ(sent, weights_.size());
}

TEST_F(HfHubTest, what_one_pull_left_the_next_goes_on_with) {
  fake_.change_store(
      [](const ServerRequest& request, ServerAnswer& answer) { answer.cut = request.from() == 0 ? 123'456 : 0; });
  EXPECT_NE(error_of_pull().find("(tried 7 times)"), std::string::npos) << error_of_pull();
  EXPECT_EQ(fs::file_size(repo("blobs/" + weights_hash() + ".incomplete")), 123'456u);
  EXPECT_FALSE(fs::exists(repo("snapshots")));
  fake_.change_store({});
  fake_.store().forget();
  expect_whole(pull());
  ASSERT_EQ(fake_.store().requests().size(), 1u);
  EXPECT_EQ(fake_.store().requests()[0].sent, weights_.size() - 123'456);
  EXPECT_FALSE(fs::exists(repo("blobs/" + weights_hash() + ".incomplete")));
}

// What another program left may be wrong, or longer than the file.
TEST_F(HfHubTest, a_wrong_beginning_is_dropped) {
  fs::create_directories(repo("blobs"));
  for (const std::string& left :
       {content_of(1000, 77), weights_.substr(0, weights_.size() - 1) + "?", weights_ + "?"}) {
    fs::remove_all(repo("snapshots"));
    fs::remove(repo("blobs/" + weights_hash()));
    test::write_file(repo("blobs/" + weights_hash() + ".incomplete"), left);
    expect_whole(pull());
  }
}

TEST_F(HfHubTest, a_server_without_ranges) {
  bool first = true;
  fake_.change_store([&](const ServerRequest&, ServerAnswer& answer) {
    answer.status = 200;
    answer.body = weights_;
    std::erase_if(answer.headers, [](const auto& header) { return header.first == "Content-Range"; });
    if (std::exchange(first, false)) answer.cut = 200'000;
  });
  expect_whole(pull());
  EXPECT_EQ(fake_.store().requests().size(), 2u);
}

TEST_F(HfHubTest, a_wrong_range_begins_anew) {
  int count = 0;
  fake_.change_store([&](const ServerRequest& request, ServerAnswer& answer) {
    ++count;
    if (count == 1) answer.cut = 100'000;
    if (count != 2) return;
    EXPECT_EQ(request.from(), 100'000u);
    answer.body = weights_.substr(50'000);
    for (auto& [name, value] : answer.headers) {
      if (name == "Content-Range") value = "bytes 50000-299999/300000";
    }
  });
  expect_whole(pull());
  const auto requests = fake_.store().requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[2].from(), 0u);
}

// Each lie: what the error names; nothing is left under a final name.
TEST_F(HfHubTest, lies_of_the_store) {
  struct Lie {
    const char* says;
    FakeHub::Change change;
  };
  const std::vector<Lie> lies = {
      {"expected 300000", [](const auto&, ServerAnswer& a) { a.body.resize(299'999); }},
      {"sends 300001 bytes, expected 300000", [](const auto&, ServerAnswer& a) { a.body += "x"; }},
      {"sends more than 300000 bytes",
       [](const auto&, ServerAnswer& a) {
         a.body += "x";
         a.with_length = false;
       }},
      {"sends more than 300000 bytes", [](const auto&, ServerAnswer& a) { a.endless = true; }},
      {"the answer ended after 299999 bytes",
       [](const auto&, ServerAnswer& a) {
         a.body = a.body.substr(0, a.body.size() - (a.status == 206 ? a.body.size() : 1));
         a.with_length = false;
       }},
      {"expected ", [](const auto&, ServerAnswer& a) { a.body[1000] ^= 1; }},
      {"sends headers of more than", [](const auto&, ServerAnswer& a) { a.endless_headers = true; }},
  };
  for (const Lie& lie : lies) {
    fs::remove_all(hub_.cache);
    fake_.change_store(lie.change);
    const std::string error = error_of_pull();
    EXPECT_NE(error.find(lie.says), std::string::npos) << error;
    EXPECT_TRUE(error.starts_with(fake_.store().url("localhost") + "/model.safetensors") ||
                error.starts_with(fake_.endpoint() + "/org/tiny/resolve/"))
        << error;
    EXPECT_EQ(error.find("Signature"), std::string::npos) << error;
    EXPECT_FALSE(fs::exists(repo("blobs/" + weights_hash()))) << error;
    EXPECT_FALSE(fs::exists(repo("snapshots"))) << error;
    EXPECT_FALSE(fs::exists(repo("refs/main"))) << error;
  }
  // What has the wrong hash is no beginning either.
  fs::remove_all(hub_.cache);
  fake_.change_store([](const auto&, ServerAnswer& a) { a.body[1000] ^= 1; });
  std::string other = weights_;
  other[1000] ^= 1;
  const std::string error = error_of_pull();
  EXPECT_NE(error.find(test::hub_hash(other, true)), std::string::npos) << error;
  EXPECT_NE(error.find(weights_hash()), std::string::npos) << error;
  EXPECT_FALSE(fs::exists(repo("blobs/" + weights_hash() + ".incomplete")));
}

TEST_F(HfHubTest, lies_of_the_hub) {
  struct Lie {
    const char* part;  // of the path
    const char* says;
    FakeHub::Change change;
  };
  const auto replace = [](const char* name, const char* value) {
    return [name, value](const ServerRequest&, ServerAnswer& a) {
      std::erase_if(a.headers, [&](const auto& header) { return header.first == name; });
      a.headers.emplace_back(name, value);
    };
  };
  const std::vector<Lie> lies = {
      {"resolve", "expected a number", replace("X-Linked-Size", "99999999999999999999")},
      {"resolve", "expected a number", replace("X-Linked-Size", "-5")},
      {"resolve", "bytes are to be downloaded, but only", replace("X-Linked-Size", "17000000000000")},
      {"resolve", "expected a SHA-256 or a SHA-1 of git", replace("X-Linked-ETag", "\"../../../x\"")},
      {"resolve", "is of the commit", replace("X-Repo-Commit", "ffffffffffffffffffffffffffffffffffffffff")},
      {"model.safetensors", "no address of http", replace("Location", "file:///etc/hostname")},
      {"model.safetensors", "no address of http", replace("Location", "")},
      {"model.safetensors", "redirects",
       replace("Location", "/org/tiny/resolve/0123456789abcdef0123456789abcdef01234567/model.safetensors")},
      {"vocab.txt", "has the SHA-1 of git", [](const auto&, ServerAnswer& a) { a.body = "hellx\n"; }},
      {"api/", "sends more than", [](const auto&, ServerAnswer& a) { a.endless = true; }},
      {"api/", "sends headers of more than", [](const auto&, ServerAnswer& a) { a.endless_headers = true; }},
      {"api/", "parse error", [](const auto&, ServerAnswer& a) { a.body = "<html>"; }},
      {"api/", "JSON nested", [](const auto&, ServerAnswer& a) { a.body = std::string(100'000, '['); }},
      {"api/", "\"sha\"", [](const auto&, ServerAnswer& a) { a.body = R"({"sha":"../..","siblings":[]})"; }},
      {"api/", "\"siblings\"",
       [](const auto&, ServerAnswer& a) { a.body = R"({"sha":"0123456789abcdef0123456789abcdef01234567"})"; }},
  };
  for (const Lie& lie : lies) {
    fs::remove_all(hub_.cache);
    fake_.change([&](const ServerRequest& request, ServerAnswer& answer) {
      if (request.path.find(lie.part) != std::string::npos) lie.change(request, answer);
    });
    const std::string error = error_of_pull();
    EXPECT_NE(error.find(lie.says), std::string::npos) << error;
    EXPECT_NE(error.find(lie.says[0] == 'b' ? hub_.cache : fake_.endpoint()), std::string::npos) << error;
    EXPECT_FALSE(fs::exists(repo("snapshots"))) << error;
    EXPECT_FALSE(fs::exists(repo("refs/main"))) << error;
  }
}

TEST_F(HfHubTest, hostile_names) {
  for (const char* file : {"../x.json", "/etc/x.json", "a/../../b.json", "a//b.json", "", "./a.json", "a\\\\b.json",
                           "a\\u0000b.json", "a\\nb.json", "config.json/"}) {
    fake_.set_listing(
        std::string(
            R"({"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"config.json"},{"rfilename":")") +
        file + "\"}]}");
    const std::string error = error_of_pull();
    EXPECT_NE(error.find("may not stand in a repository"), std::string::npos) << file << ": " << error;
  }
  EXPECT_TRUE(cached().empty());
}

TEST_F(HfHubTest, passing_trouble_is_waited_out) {
  std::map<std::string, int> seen;
  std::mutex mutex;
  fake_.change([&](const ServerRequest& request, ServerAnswer& answer) {
    const std::lock_guard lock(mutex);
    const int count = seen[request.method + request.path]++;
    if (count == 0) answer = {500, {}, "sorry"};
    if (count == 1) answer = {429, {{"Retry-After", "1"}}, "slowly"};
    if (count == 2) answer = {503, {}, ""};
  });
  const auto begin = std::chrono::steady_clock::now();
  expect_whole(pull(""));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  fs::remove_all(hub_.cache);
  fake_.change([](const auto&, ServerAnswer& answer) { answer = {429, {{"Retry-After", "86400"}}, ""}; });
  EXPECT_NE(error_of_pull().find("answers 429 and asks to wait for 86400 seconds"), std::string::npos);
  fake_.change([](const auto&, ServerAnswer& answer) { answer = {502, {}, ""}; });
  EXPECT_NE(error_of_pull().find("answers 502 (tried 6 times)"), std::string::npos);
}

TEST_F(HfHubTest, a_silent_server_is_not_waited_for) {
  hub_.policy.stall = 1;
  hub_.policy.fruitless_tries = 2;
  fake_.change([](const auto&, ServerAnswer& answer) { answer.before = std::chrono::milliseconds(2500); });
  EXPECT_NE(error_of_pull().find("Operation too slow"), std::string::npos) << error_of_pull();
}

TEST_F(HfHubTest, no_access_and_no_such_thing) {
  fake_.change([](const auto&, ServerAnswer& a) {
    a = {401, {{"X-Error-Code", "GatedRepo"}, {"X-Error-Message", "Access to model org/tiny is restricted"}}, "{}"};
  });
  std::string error = error_of_pull();
  EXPECT_NE(error.find("answers 401 (Access to model org/tiny is restricted)"), std::string::npos) << error;
  EXPECT_NE(error.find("set HF_TOKEN"), std::string::npos) << error;
  hub_.token = "hf_secret";
  error = error_of_pull();
  EXPECT_NE(error.find("the token in use (HF_TOKEN) has no access"), std::string::npos) << error;
  EXPECT_EQ(error.find("hf_secret"), std::string::npos) << error;
  // The list is open and the files are gated.
  fake_.change([](const ServerRequest& request, ServerAnswer& a) {
    if (request.path.find("resolve") != std::string::npos) a = {403, {}, ""};
  });
  EXPECT_NE(error_of_pull().find("answers 403"), std::string::npos);
  fake_.change({});
  const auto none = pull_hf_model(hub_, {"org/tony", "main", ""}, {});
  EXPECT_NE(none.message().find("there is no repository org/tony with the revision main"), std::string::npos);
  fake_.change([](const ServerRequest& request, ServerAnswer& a) {
    if (request.path.find("vocab") != std::string::npos) a = {404, {}, ""};
  });
  EXPECT_NE(error_of_pull().find("there is no file \"vocab.txt\""), std::string::npos);
  EXPECT_TRUE(cached().empty());
}

TEST_F(HfHubTest, several_files_at_once) {
  const auto slow = [](const auto&, ServerAnswer& answer) { answer.before = std::chrono::milliseconds(200); };
  fake_.files() = {{"config.json", "{}"},
                   {"tokenizer.json", "{}"},
                   {"model-1.safetensors", content_of(9000, 1)},
                   {"model-2.safetensors", content_of(9000, 2)},
                   {"model-3.safetensors", content_of(9000, 3)},
                   {"model-4.safetensors", content_of(9000, 4)},
                   {"model-5.safetensors", content_of(9000, 5)},
                   {"model-6.safetensors", content_of(9000, 6)}};
  fake_.change_store(slow);
  double total = 0;
  const auto thread = std::this_thread::get_id();
  const auto model = pull_hf_model(hub_, kName, [&](std::string_view stage, double done, double all) {
    EXPECT_EQ(std::this_thread::get_id(), thread);
    EXPECT_LE(done, all);
    if (stage.starts_with("downloading")) total = all;
  });
  ASSERT_TRUE(model.ok()) << model.message();
  EXPECT_EQ(fake_.store().most_at_once(), 4);
  EXPECT_EQ(total, 6 * 9000 + 2);  // two files are the same "{}"
}

// A snapshot that huggingface_hub left: taken as it is; without a tokenizer only where the hub may not be asked.
TEST_F(HfHubTest, the_cache_of_others) {
  const std::string commit(40, 'c');
  fs::create_directories(repo("refs"));
  fs::create_directories(repo("snapshots/" + commit));
  test::write_file(repo("refs/main"), commit);
  for (const char* file : {"config.json", "model.safetensors"}) {
    test::write_file(repo("snapshots/" + commit + "/" + file), "theirs");
  }
  fake_.set_commit(commit);
  EXPECT_FALSE(cached_hf_model(hub_, kName).ok());
  hub_.offline = true;
  EXPECT_TRUE(find_hf_model(hub_, kName, {}).ok());
  hub_.offline = false;
  const auto model = find_hf_model(hub_, kName, {});
  ASSERT_TRUE(model.ok()) << model.message();
  EXPECT_EQ(test::read_file(model->path + "/model.safetensors"), "theirs");
  EXPECT_EQ(test::read_file(model->path + "/tokenizer.json"), content_of(20'000, 2));
  EXPECT_EQ(fake_.store().requests().size(), 0u);
  // An index that names a shard which is not there.
  fs::remove(repo("snapshots/" + commit + "/model.safetensors"));
  test::write_file(
      repo("snapshots/" + commit + "/model.safetensors.index.json"),
      R"({"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}})");
  test::write_file(repo("snapshots/" + commit + "/model-00001-of-00002.safetensors"), "x");
  EXPECT_FALSE(cached_hf_model(hub_, kName).ok());
  hub_.offline = true;
  const auto partial = find_hf_model(hub_, kName, {});
  ASSERT_FALSE(partial.ok());
  EXPECT_NE(partial.message().find("HF_HUB_OFFLINE forbids to ask"), std::string::npos) << partial.message();
}

TEST_F(HfHubTest, a_killed_process_and_two_at_once) {
  fake_.change_store([](const auto&, ServerAnswer& answer) { answer.per_block = std::chrono::microseconds(20'000); });
  const auto begin = [&] {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(pull().ok() ? 0 : 1);
    return child;
  };
  const std::string incomplete = repo("blobs/" + weights_hash() + ".incomplete");
  const auto arrived = [&] {
    std::error_code none;
    const uint64_t size = fs::file_size(incomplete, none);
    return none ? uint64_t{0} : size;
  };
  const pid_t killed = begin();
  for (int i = 0; i < 1000 && arrived() < 40'000; ++i) ::usleep(5000);
  ::kill(killed, SIGKILL);
  ::waitpid(killed, nullptr, 0);
  const uint64_t left = arrived();
  ASSERT_GE(left, 40'000u);
  ASSERT_LT(left, weights_.size());
  while (fake_.store().requests().empty()) ::usleep(5000);  // until the server has seen that nobody listens
  fake_.store().forget();
  // Two go on with it; one of them downloads.
  const pid_t one = begin(), two = begin();
  for (const pid_t child : {one, two}) {
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  const auto requests = fake_.store().requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].sent, weights_.size() - left);
  hub_.offline = true;
  expect_whole(pull());
}

TEST(HfHashes, in_both_forms) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "a", "hello\n");
  EXPECT_EQ(*hash_like(folder / "a", std::string(40, '0')), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(*hash_like(folder / "a", std::string(64, '0')),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
}

}  // namespace
}  // namespace lowbit::io

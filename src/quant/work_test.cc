#include "quant/work.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace lowbit::quant {
namespace {

namespace fs = std::filesystem;

class Work : public testing::Test {
 protected:
  Work() {
    std::string pattern = (fs::temp_directory_path() / "lowbit-work-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~Work() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  std::string folder() const { return root_ + "/w"; }
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories(folder());
    std::ofstream(folder() + "/" + name) << text;
  }
  static Status write(const WorkFolder& work, const std::string& name, const std::string& text) {
    return work.write(name, std::as_bytes(std::span(text)));
  }
  std::string root_;
};

TEST_F(Work, PiecesComeBackAndAnotherKeyDeletesThem) {
  {
    auto work = WorkFolder::open(folder(), "one");
    ASSERT_TRUE(work.ok()) << work.message();
    EXPECT_FALSE(work->resumed());
    ASSERT_TRUE(write(*work, "a", "text").ok());
  }
  {
    auto work = WorkFolder::open(folder(), "one");
    ASSERT_TRUE(work.ok() && work->resumed());
    ASSERT_TRUE(work->has("a"));
    EXPECT_EQ(work->read("a")->bytes().size(), 4u);
  }
  auto work = WorkFolder::open(folder(), "two");
  ASSERT_TRUE(work.ok());
  EXPECT_FALSE(work->resumed());
  EXPECT_FALSE(work->has("a"));
  EXPECT_TRUE(work->remove().ok());
  EXPECT_FALSE(fs::exists(folder()));
}

TEST_F(Work, AFolderOfOthersIsRefusedAndLeftAlone) {
  put("thesis.tex", "years of work");
  const auto work = WorkFolder::open(folder(), "k");
  ASSERT_FALSE(work.ok());
  EXPECT_EQ(work.message(), folder() + ": not empty and not a work folder of lowbit");
  EXPECT_TRUE(fs::exists(folder() + "/thesis.tex"));
  EXPECT_FALSE(fs::exists(folder() + "/lock"));
}

TEST_F(Work, AKeyOfOthersIsNoWorkFolder) {
  put("key", "-----BEGIN PRIVATE KEY-----");
  ASSERT_FALSE(WorkFolder::open(folder(), "k").ok());
  EXPECT_TRUE(fs::exists(folder() + "/key"));
}

TEST_F(Work, FilesOfOthersInAWorkFolderStay) {
  {
    auto work = WorkFolder::open(folder(), "one");
    ASSERT_TRUE(work.ok() && write(*work, "a", "text").ok());
  }
  put("notes.txt", "mine");
  auto work = WorkFolder::open(folder(), "two");
  ASSERT_TRUE(work.ok()) << work.message();
  EXPECT_FALSE(work->has("a"));
  ASSERT_TRUE(work->remove().ok());
  EXPECT_TRUE(fs::exists(folder() + "/notes.txt"));
  EXPECT_FALSE(fs::exists(folder() + "/key"));
}

// Killed while emptying: the key is gone first, so what is left is deleted and not used.
TEST_F(Work, AHalfEmptiedFolderIsNotWhole) {
  {
    auto work = WorkFolder::open(folder(), "one");
    ASSERT_TRUE(work.ok() && write(*work, "a", "text").ok() && write(*work, "b", "text").ok());
  }
  fs::remove(folder() + "/key");
  auto work = WorkFolder::open(folder(), "one");
  ASSERT_TRUE(work.ok()) << work.message();
  EXPECT_FALSE(work->resumed());
  EXPECT_FALSE(work->has("a"));
}

TEST_F(Work, ADamagedPieceIsDeleted) {
  {
    auto work = WorkFolder::open(folder(), "k");
    ASSERT_TRUE(work.ok() && write(*work, "a", "some text").ok() && write(*work, "b", "text").ok());
  }
  {
    std::fstream file(folder() + "/a.piece", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(2);
    file.put('X');
  }
  fs::resize_file(folder() + "/b.piece", 10);
  const auto work = WorkFolder::open(folder(), "k");
  ASSERT_TRUE(work.ok() && work->resumed());
  EXPECT_FALSE(work->has("a"));
  EXPECT_FALSE(work->has("b"));
  EXPECT_FALSE(fs::exists(folder() + "/a.piece"));
}

TEST_F(Work, OneAtATime) {
  auto first = WorkFolder::open(folder(), "k");
  ASSERT_TRUE(first.ok());
  const auto second = WorkFolder::open(folder(), "k");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.message(), folder() + " is in use by another lowbit");
  EXPECT_TRUE(first->remove().ok());
  EXPECT_TRUE(WorkFolder::open(folder(), "k").ok());
}

TEST_F(Work, WhatAKilledWriterLeftIsDeleted) {
  {
    ASSERT_TRUE(WorkFolder::open(folder(), "k").ok());
  }
  put("a.piece.tmp-123", "half");
  ASSERT_TRUE(WorkFolder::open(folder(), "k").ok());
  EXPECT_FALSE(fs::exists(folder() + "/a.piece.tmp-123"));
}

}  // namespace
}  // namespace lowbit::quant

#include "io/checkpoint_writer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "io/hf_folder.h"
#include "io/test_files.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;

// The bytes of tensor i are i + 1, i + 2, ...
std::vector<std::byte> bytes_for(size_t tensor, uint64_t count) {
  std::vector<std::byte> bytes(count);
  for (size_t k = 0; k < count; ++k) bytes[k] = static_cast<std::byte>(tensor + 1 + k);
  return bytes;
}

const std::vector<CheckpointTensor> kTensors = {
    {"a", "U8", {3}}, {"b", "I64", {2}}, {"c", "BF16", {5, 3}}, {"d", "F32", {1}}, {"e", "F8_E4M3", {7}}};

Status write(const std::string& path, uint64_t shard_bytes, size_t count = kTensors.size()) {
  LOWBIT_ASSIGN(CheckpointLayout layout,
                CheckpointLayout::make(kTensors, {{"config.json", "{\"k\": 1}", ""}, {"deep/x.json", "{}", ""}},
                                       {{"p", 1}}, shard_bytes));
  const uint64_t expected = layout.folder_bytes();
  LOWBIT_ASSIGN(CheckpointWriter writer, CheckpointWriter::create(path, std::move(layout)));
  for (size_t i = 0; i < count; ++i) {
    const auto bytes = bytes_for(i, writer.layout().tensor_bytes(i));
    const auto half = bytes.size() / 2;
    LOWBIT_TRY(writer.write(i, half, std::span(bytes).subspan(half)));
    LOWBIT_TRY(writer.write(i, 0, std::span(bytes).first(half)));
  }
  LOWBIT_TRY(writer.commit());
  uint64_t sum = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path))
    sum += entry.is_regular_file() ? entry.file_size() : 0;
  EXPECT_EQ(sum, expected);
  return {};
}

TEST(CheckpointWriter, ShardsAreReadAsTheyWereWritten) {
  for (const uint64_t shard : {uint64_t{1}, uint64_t{20}, kShardBytes}) {
    const test::TemporaryFolder folder;
    const std::string path = folder / "out";
    ASSERT_TRUE(write(path, shard).ok());
    const auto read = open_hf_folder(path);
    ASSERT_TRUE(read.ok()) << read.message();
    ASSERT_EQ((*read)->tensors().size(), kTensors.size());
    for (size_t i = 0; i < kTensors.size(); ++i) {
      const int64_t index = (*read)->find(kTensors[i].name);
      ASSERT_GE(index, 0);
      const auto bytes = (*read)->bytes(static_cast<size_t>(index));
      EXPECT_TRUE(std::ranges::equal(bytes, bytes_for(i, bytes.size())));
      EXPECT_EQ((*read)->dtype(static_cast<size_t>(index)), kTensors[i].dtype);
      // Programs that map the file want elements at multiples of their size.
      const uint64_t word = kTensors[i].dtype == "I64" ? 8 : kTensors[i].dtype == "F32" ? 4 : 1;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % word, 0u) << kTensors[i].name;
    }
    EXPECT_EQ(fs::exists(path + "/model.safetensors.index.json"), shard < kShardBytes);
    EXPECT_TRUE(fs::exists(path + "/deep/x.json"));
    // Nothing stays beside it.
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  }
}

TEST(CheckpointWriter, AFolderOfOthersIsNeverReplaced) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "out";
  fs::create_directory(path);
  EXPECT_TRUE(write(path + "/", kShardBytes).ok());  // it was empty
  EXPECT_TRUE(write(path, 20).ok());                 // it is our own
  EXPECT_FALSE(fs::exists(path + "/model.safetensors"));
  std::ofstream(path + "/notes.txt") << "mine";
  const Status with_notes = write(path, kShardBytes);
  ASSERT_FALSE(with_notes.ok());
  EXPECT_NE(with_notes.message().find("notes.txt"), std::string::npos);
  EXPECT_TRUE(fs::exists(path + "/notes.txt"));
  EXPECT_TRUE(fs::exists(path + "/model-00001-of-00003.safetensors"));
  fs::remove(path + "/notes.txt");
  fs::remove(path + "/lowbit.json");
  EXPECT_FALSE(write(path, kShardBytes).ok());
  std::ofstream(folder / "file") << "x";
  EXPECT_FALSE(write(folder / "file", kShardBytes).ok());
}

TEST(CheckpointWriter, NothingAppearsWhereBytesAreMissing) {
  const test::TemporaryFolder folder;
  const Status status = write(folder / "out", kShardBytes, 4);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("tensor \"e\""), std::string::npos);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CheckpointWriter, LayoutsThatCannotBe) {
  EXPECT_FALSE(CheckpointLayout::make({{"a", "U8", {1}}, {"a", "U8", {1}}}, {}, nullptr).ok());
  EXPECT_FALSE(CheckpointLayout::make({{"a", "int", {1}}}, {}, nullptr).ok());
  EXPECT_FALSE(CheckpointLayout::make({{"a", "U8", {1ull << 40, 1ull << 40}}}, {}, nullptr).ok());
  EXPECT_FALSE(CheckpointLayout::make({{"a", "U8", {0}}}, {}, nullptr).ok());
}

}  // namespace
}  // namespace lowbit::io

// Lists of values in files: texts, arrays, where the name ends, and what is wrong with a file.
#include "io/format_text.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "io/npy.h"

namespace lowbit::io {
namespace {

class FormatText : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/format-text-" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(std::string_view name, std::string_view text) const {
    const std::string path = folder_ + "/" + std::string(name);
    EXPECT_TRUE(write_text_file(path, text).ok());
    return path;
  }
  std::string array(NpyType type, const std::vector<int64_t>& shape, std::span<const std::byte> bytes) const {
    const std::string path = folder_ + "/levels.npy";
    auto writer = NpyWriter::create(path, type, shape);
    EXPECT_TRUE(writer.ok() && writer->write(bytes).ok() && writer->commit().ok());
    return path;
  }
  static std::string printed(const std::string& text) {
    const auto format = read_format(text);
    return format.ok() ? formats::print(*format) : format.message();
  }

  std::string folder_;
};

TEST_F(FormatText, PrintsTheListItself) {
  const std::string path = file("Levels.txt", "# four\n-1, 0\t0.50\r\n1e0 # the last\n");
  EXPECT_EQ(printed("@" + path), "[-1,0,0.5,1]");
  EXPECT_EQ(printed("@" + path + "/64:bf16"), "[-1,0,0.5,1]/64:bf16");
  EXPECT_EQ(printed("@" + path + "/64/tensor:f32"), "[-1,0,0.5,1]/64/tensor:f32");
  EXPECT_EQ(read_format("@" + path + "/row").value(), formats::parse_format("[-1,0,0.5,1]/row").value());
  EXPECT_EQ(read_element("@" + path).value(), formats::parse_element("[-1,0,0.5,1]").value());
  EXPECT_EQ(printed("@" + file("b", "1,2,")), "[1,2]");
  EXPECT_EQ(printed("int4/32:f16"), "q4_0") << "all else as ever";
  // Only a reader of files knows the sign.
  EXPECT_FALSE(formats::parse_format("@" + path).ok());
  std::string most = "0";
  for (int i = 1; i < 256; ++i) most += fmt::format("\n{}", -i * 1.234567e-20);
  EXPECT_EQ(read_element("@" + file("most", most)).value().bits, 8);
}

TEST_F(FormatText, ArraysOfFloats) {
  const std::vector<double> wide = {-1, 0.1, 3};
  EXPECT_EQ(printed("@" + array(NpyType::float64, {3}, std::as_bytes(std::span(wide)))), "[-1,0.1,3]");
  const std::vector<float> single = {1, 2};
  EXPECT_EQ(printed("@" + array(NpyType::float32, {2}, std::as_bytes(std::span(single))) + "/32"), "[1,2]/32");
  const std::vector<uint16_t> half = {0x3C00, 0xC000};
  EXPECT_EQ(printed("@" + array(NpyType::float16, {2}, std::as_bytes(std::span(half)))), "[1,-2]");
}

TEST_F(FormatText, SaysWhatIsWrong) {
  const auto expect = [](const std::string& text, const std::string& message) {
    EXPECT_EQ(printed(text), message) << text;
  };
  std::string path = file("levels", "1 2\n 3 x4,5\n");
  expect("@" + path, path + ": line 2, column 4: found \"x4\", expected a number");
  expect("@" + path + "/64", path + ": line 2, column 4: found \"x4\", expected a number");
  path = file("levels", "1,,2");
  expect("@" + path, path + ": line 1, column 3: found \",\", expected a number");
  path = file("levels", "1 nan");
  expect("@" + path, path + ": line 1, column 3: found \"nan\", expected a finite number");
  path = file("levels", "# large\n1e39");
  expect("@" + path, path + ": line 2, column 1: found \"1e39\", expected a number within the range of f32");
  path = file("levels", "7 #");
  expect("@" + path, path + ": found 1 numbers, expected 2 to 256");
  path = file("levels", "");
  expect("@" + path, path + ": found 0 numbers, expected 2 to 256");
  std::string many;
  for (int i = 0; i < 257; ++i) many += std::to_string(i) + "\n";
  path = file("levels", many);
  expect("@" + path, path + ": line 257, column 1: found another number, expected at most 256");
  path = file("levels", "1 2");
  EXPECT_NE(printed("@" + path + "/0").find(fmt::format("column {}: found \"0\"", path.size() + 3)),
            std::string::npos)
      << printed("@" + path + "/0");
  EXPECT_NE(printed("@" + path + "x/64").find("found no file of this name"), std::string::npos);
  EXPECT_NE(printed("@" + folder_).find("found no file of this name"), std::string::npos);
  expect("@", "format \"@\": found the end, expected the name of a file behind the @");
  EXPECT_NE(printed("int4/32:@" + path).find("a float or an integer"), std::string::npos);
  const std::vector<double> bad = {1, 2, 1e300, 4};
  path = array(NpyType::float64, {4}, std::as_bytes(std::span(bad)));
  expect("@" + path, path + ": offset 144: found element 2 with the value inf as f32, expected a finite number");
  path = array(NpyType::float64, {2, 2}, std::as_bytes(std::span(bad)));
  expect("@" + path, path + ": found an array of 2 dimensions, expected one");
  path = array(NpyType::float64, {1}, std::as_bytes(std::span(bad).first(1)));
  expect("@" + path, path + ": found 1 numbers, expected 2 to 256");
}

}  // namespace
}  // namespace lowbit::io

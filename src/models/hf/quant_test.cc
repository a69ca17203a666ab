#include "models/hf/quant.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "io/hf_folder.h"
#include "models/hf/assemble.h"

namespace lowbit::models::hf {
namespace {

// Made by goldens/make_quantized_checkpoints.py.
const std::string kFolder = "goldens/hf-quantized/";

std::vector<std::string> names() {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    found.push_back(entry.path().filename().string());
  }
  std::ranges::sort(found);
  return found;
}

std::string line_of(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path) >> std::ws, line);
  return line;
}

class Quantized : public testing::TestWithParam<std::string> {};

TEST_P(Quantized, CodesAndScalesAreThoseOfTheCheckpoint) {
  const std::string folder = kFolder + GetParam();
  const auto checkpoint = io::open_hf_folder(folder);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  const HfConfig config((*checkpoint)->metadata().at(io::kHfConfig), "config.json");
  const auto matrices = read_matrices(*checkpoint, config);
  ASSERT_TRUE(matrices.ok()) << matrices.message();
  ASSERT_EQ(matrices->size(), 1u);
  const Matrix& matrix = *(*matrices)[0];
  EXPECT_EQ(matrix.name, "m.weight");
  EXPECT_EQ(matrix.format, *formats::parse_format(line_of(folder + "/format.txt")));
  Target target;
  target.name = "t";
  target.shape = matrix.shape;
  target.pieces.push_back({0, 0, matrix.rows()});
  const auto info = describe_target(target, *matrices);
  ASSERT_TRUE(info.ok());
  const auto weight = assemble(target, *info, *matrices);
  ASSERT_TRUE(weight.ok()) << weight.message();
  const auto expected = io::open_model(folder + "/expected.safetensors");
  ASSERT_TRUE(expected.ok()) << expected.message();
  const std::vector<float> here = tensor::dequantize(*weight), there = tensor::dequantize(*(*expected)->load(0));
  ASSERT_EQ((*expected)->tensors()[0].shape, matrix.shape);
  for (size_t i = 0; i < there.size(); ++i) ASSERT_EQ(here[i], there[i]) << i;
}

INSTANTIATE_TEST_SUITE_P(Goldens, Quantized, testing::ValuesIn(names()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace lowbit::models::hf

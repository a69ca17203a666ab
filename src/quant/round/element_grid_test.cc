#include "quant/round/element_grid.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "formats/codebook.h"
#include "formats/sample.h"

namespace lowbit::quant {
namespace {

// All elements of at most 8 bits that the language draws, and the scale elements; oracle: formats::encode.
std::vector<formats::ElementFormat> elements() {
  std::vector<formats::ElementFormat> out;
  for (const char* name :
       {"f16",     "bf16",   "e4m3fn",   "e5m2",     "e8m0",        "ue5m3",   "ue4m3",    "e2m1",
        "e2m3",    "e3m2",   "int4",     "uint4",    "int8",        "uint6",   "nf4",      "ternary",
        "binary",  "iq4nl",  "e4m3fnuz", "fix8.6",   "e1m2",        "e3m0",    "posit8",   "posit6.1",
        "posit16", "int4sm", "int8sym",  "bipolar3", "binary8p4se", "e4m3ftz", "e3m2nosub"}) {
    auto parsed = formats::parse_element(name);
    EXPECT_TRUE(parsed.ok()) << name;
    if (parsed.ok()) out.push_back(*parsed);
  }
  Rng rng(11);
  for (int i = 0; i < 150; ++i) out.push_back(formats::sample_element(rng));
  return out;
}

TEST(ElementGrid, RoundsAsEncodeDoes) {
  Rng rng(5);
  for (const auto& element : elements()) {
    const ElementGrid grid(element);
    const auto table = formats::decode_table(element);
    std::vector<float> inputs = {0.0f, -0.0f, 1e-30f, -1e-30f, 3e38f, -3e38f};
    for (size_t c = 0; c < table.size(); c += table.size() > 256 ? 37 : 1) {
      if (!std::isfinite(table[c])) continue;
      const float v = table[c];
      inputs.insert(inputs.end(), {v, std::nextafter(v, 1e38f), std::nextafter(v, -1e38f)});
      const float w = table[rng.below(table.size())];
      if (std::isfinite(w)) inputs.push_back(v / 2 + w / 2);  // ties among them
      inputs.push_back(v * static_cast<float>(0.5 + rng.uniform()));
      if (c + 1 < table.size() && std::isfinite(table[c + 1])) inputs.push_back(v / 2 + table[c + 1] / 2);
    }
    for (const float x : inputs) {
      if (!std::isfinite(x)) continue;
      const uint32_t expected = formats::encode(element, static_cast<double>(x));
      const float got = grid.nearest(x);
      EXPECT_EQ(got, element.decode(expected)) << formats::print(element) << " x = " << x;
      EXPECT_EQ(element.decode(grid.code(got)), got) << formats::print(element) << " x = " << x;
    }
  }
}

TEST(ElementGrid, NeighboursAreTheNextValues) {
  for (const auto& element : elements()) {
    if (element.bits > 8) continue;
    const ElementGrid grid(element);
    std::vector<float> sorted;
    const auto table = formats::decode_table(element);
    for (uint32_t c = 0; c < table.size(); ++c) {
      // Codes that encoding never gives are no values of the grid.
      const bool occurs = !element.codebook || (c < element.codebook->values.size() &&
                                                formats::encode(element, static_cast<double>(table[c])) == c);
      if (std::isfinite(table[c]) && occurs) sorted.push_back(table[c] + 0.0f);
    }
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    EXPECT_EQ(grid.low(), sorted.front());
    EXPECT_EQ(grid.high(), sorted.back());
    for (size_t i = 0; i < sorted.size(); ++i) {
      EXPECT_EQ(grid.neighbour(sorted[i], true), sorted[std::min(i + 1, sorted.size() - 1)])
          << formats::print(element);
      EXPECT_EQ(grid.neighbour(sorted[i], false), sorted[i == 0 ? 0 : i - 1]) << formats::print(element);
    }
  }
}

TEST(ElementGrid, NanAndInfinityAreSafe) {
  const ElementGrid grid(*formats::parse_element("e4m3fn"));
  EXPECT_EQ(grid.nearest(std::numeric_limits<float>::quiet_NaN()), 0.0f);
  EXPECT_EQ(grid.nearest(std::numeric_limits<float>::infinity()), 448.0f);
  EXPECT_EQ(grid.nearest(-std::numeric_limits<float>::infinity()), -448.0f);
}

}  // namespace
}  // namespace lowbit::quant

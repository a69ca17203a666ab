// Entries of scales by themselves: every width and code, on every ISA; what is read ends where an allocation does.
#include "tensor/entries.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "formats/format.h"
#include "kernels/list.h"
#include "kernels/matmul/args.h"
#include "kernels/matmul/plan.h"
#include "kernels/matmul/small_floats.h"
#include "kernels/test_data.h"

namespace lowbit::kernels {

namespace {

constexpr int64_t kRows = tensor::kEntryRows;

std::vector<uint32_t> random_codes(int64_t groups, int bits, Rng& rng) {
  std::vector<uint32_t> codes(static_cast<size_t>(groups * kRows));
  for (uint32_t& c : codes) c = static_cast<uint32_t>(rng.below(uint64_t{1} << bits));
  return codes;
}

// As a weight has them, with nothing behind.
std::unique_ptr<std::byte[]> packed(const std::vector<uint32_t>& codes, int bits) {
  const size_t group = static_cast<size_t>(2 * bits), groups = codes.size() / static_cast<size_t>(kRows);
  auto out = std::make_unique<std::byte[]>(group * groups);
  for (size_t g = 0; g < groups; ++g)
    tensor::pack_entries(codes.data() + g * static_cast<size_t>(kRows), bits, out.get() + g * group);
  return out;
}

EntryArgs args_of(const std::byte* in, EntryKind kind, int bits, int64_t groups, std::vector<float>& out) {
  out.assign(static_cast<size_t>(groups * kRows), -1.0f);
  EntryArgs args = {};
  args.in = reinterpret_cast<const uint8_t*>(in);
  args.kind = kind;
  args.bits = bits;
  args.groups = groups;
  args.span = 1;
  args.factor = args.unit = 1.0f;
  args.out = out.data();
  return args;
}

void expect_bits(const std::vector<float>& out, const std::vector<float>& expected, Isa isa, int bits) {
  EXPECT_EQ(test::first_difference(out, expected), -1)
      << isa_name(isa) << ", " << bits << " bits, " << out.size() / static_cast<size_t>(kRows) << " groups";
}

TEST(Entries, WholeNumbersOfEveryWidth) {
  Rng rng(7);
  for (int bits = 1; bits <= 8; ++bits) {
    const std::vector<uint8_t> halves = upper_halves(1u << bits, nullptr);
    for (const int64_t groups : {1, 3, 4, 5, 8, 11}) {
      const std::vector<uint32_t> codes = random_codes(groups, bits, rng);
      const auto in = packed(codes, bits);
      const std::vector<float> expected(codes.begin(), codes.end());
      for (const Isa isa : offered_isas()) {
        std::vector<float> out;
        EntryArgs args = args_of(in.get(), EntryKind::code, bits, groups, out);
        args.halves = halves.data();
        k_entries.at(isa)(args);
        expect_bits(out, expected, isa, bits);
      }
    }
  }
}

// Times f16 of four groups.
TEST(Entries, TwoLevels) {
  Rng rng(8);
  const float outer_values[] = {0.5f, -3.0f, 1024.0f};
  std::vector<uint16_t> outer;
  for (const uint16_t half : {0x3800, 0xc200, 0x6400}) outer.insert(outer.end(), static_cast<size_t>(kRows), half);
  for (int bits = 1; bits <= 8; ++bits) {
    const std::vector<uint8_t> halves = upper_halves(1u << bits, nullptr);
    const std::vector<uint32_t> codes = random_codes(12, bits, rng);
    const auto in = packed(codes, bits);
    std::vector<float> expected;
    for (size_t i = 0; i < codes.size(); ++i)
      expected.push_back(static_cast<float>(codes[i]) * outer_values[i / (4 * static_cast<size_t>(kRows))]);
    for (const Isa isa : offered_isas()) {
      std::vector<float> out;
      EntryArgs args = args_of(in.get(), EntryKind::code, bits, 12, out);
      args.halves = halves.data();
      args.outer = reinterpret_cast<const uint8_t*>(outer.data());
      args.outer_span = 4;
      k_entries.at(isa)(args);
      expect_bits(out, expected, isa, bits);
    }
  }
}

TEST(Entries, EveryCodeOfEightBits) {
  for (const char* name : {"int8", "e4m3fn", "e8m0", "ue5m3", "e5m2"}) {
    const formats::ElementFormat element = formats::parse_element(name).value();
    const std::span<const float> table = formats::decode_table(element);
    const std::optional<simd::SmallFloat> small = small_float_of(table);
    const std::vector<uint8_t> halves = upper_halves(256, table.data());
    const EntryKind kind = element.is_integer() ? EntryKind::signed_code : EntryKind::table8;
    // All codes; the first 96, which have no sign and are no NaN.
    for (const int64_t groups : {16, 6}) {
      std::vector<uint32_t> codes;
      std::vector<float> expected;
      for (int64_t c = 0; c < groups * kRows; ++c) {
        codes.push_back(static_cast<uint32_t>(c));
        expected.push_back(table[static_cast<size_t>(c)]);
      }
      const auto in = packed(codes, 8);
      for (const Isa isa : offered_isas()) {
        std::vector<float> out;
        EntryArgs args = args_of(in.get(), kind, 8, groups, out);
        args.table = table.data();
        args.halves = halves.empty() ? nullptr : halves.data();
        args.small = small ? &*small : nullptr;
        k_entries.at(isa)(args);
        for (size_t i = 0; i < out.size(); ++i) {
          ASSERT_TRUE(std::memcmp(&out[i], &expected[i], 4) == 0 || (out[i] != out[i] && expected[i] != expected[i]))
              << name << ", " << isa_name(isa) << ": code " << i << " is " << out[i] << ", not " << expected[i];
        }
      }
    }
  }
}

}  // namespace
}  // namespace lowbit::kernels

// Damaged and hostile files: every one must open or give an error that names the file, without a crash and without
// memory out of proportion to the file.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>

#include "base/rng.h"
#include "io/limits.h"
#include "io/metadata_text.h"
#include "io/model_file.h"
#include "io/test_files.h"

#define LOWBIT_COUNT_MEMORY 1
#if defined(__SANITIZE_ADDRESS__)
#undef LOWBIT_COUNT_MEMORY
#define LOWBIT_COUNT_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#undef LOWBIT_COUNT_MEMORY
#define LOWBIT_COUNT_MEMORY 0
#endif
#endif

namespace {
// Bytes that operator new has given and not got back, and the most of them since a meter was started.
std::atomic<size_t> live_bytes = 0, peak_bytes = 0;

class MemoryMeter {
 public:
  MemoryMeter() : before_(live_bytes) { peak_bytes = before_; }
  size_t most() const { return peak_bytes - before_; }

 private:
  size_t before_;
};
}  // namespace

#if LOWBIT_COUNT_MEMORY
namespace {
void* counted(void* memory) {
  if (memory == nullptr) std::abort();
  const size_t now = live_bytes += ::malloc_usable_size(memory);
  if (now > peak_bytes) peak_bytes = now;
  return memory;
}
void give_back(void* memory) {
  if (memory != nullptr) live_bytes -= ::malloc_usable_size(memory);
  std::free(memory);
}
size_t rounded(size_t bytes, size_t alignment) { return (bytes + alignment) / alignment * alignment; }
}  // namespace

void* operator new(size_t bytes) { return counted(std::malloc(bytes == 0 ? 1 : bytes)); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  const auto to = static_cast<size_t>(alignment);
  return counted(std::aligned_alloc(to, rounded(bytes, to)));
}
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, size_t) noexcept { give_back(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { give_back(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { give_back(memory); }
#endif

namespace lowbit::io {
namespace {

using test::Bytes;

class Hostile {
 public:
  explicit Hostile(std::string name) : name_(std::move(name)) {}

  // Opens a variant and loads all of its tensors, in memory in proportion to the variant: a value of one byte takes
  // 16 in JSON and a list that grows thrice its size; rows are filled up to the width of the layout.
  void open(const std::string& text, const std::string& what) {
    ++variants_;
    const MemoryMeter meter;
    open_and_load(text, what);
    EXPECT_LT(meter.most(), 32 * text.size() + (1 << 14)) << what;
  }
  int variants() const { return variants_; }
  int refused() const { return refused_; }

 private:
  void open_and_load(const std::string& text, const std::string& what) {
    const auto file = open_model(name_, test::bytes_of(text));
    if (!file.ok()) {
      ++refused_;
      check_message(file.message(), what);
      return;
    }
    for (size_t i = 0; i < (*file)->tensors().size(); ++i) {
      EXPECT_LE((*file)->tensors()[i].bytes, text.size()) << what;
      const auto weight = (*file)->load(i);
      if (!weight.ok()) check_message(weight.message(), what);
    }
  }

  void check_message(const std::string& message, const std::string& what) {
    EXPECT_NE(message.find(name_), std::string::npos) << what << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << what << ": " << message;
    EXPECT_LT(message.size(), 600u) << what;
  }

  std::string name_;
  int variants_ = 0, refused_ = 0;
};

std::string put(std::string text, size_t at, uint64_t value, int bytes) {
  const std::string little = Bytes().u(value, bytes).text();
  for (size_t i = 0; i < little.size() && at + i < text.size(); ++i) text[at + i] = little[i];
  return text;
}

// Damage that knows nothing of the format: truncation, flipped bits, extreme numbers, moved and repeated pieces.
void damage(const std::string& text, size_t header, uint64_t seed, Hostile& hostile) {
  Rng rng(seed);
  for (size_t end = 0; end < text.size(); end += end < header ? 1 : 37) {
    hostile.open(text.substr(0, end), fmt::format("truncated at {}", end));
  }
  for (size_t at = 0; at < header; ++at) {
    std::string flipped = text;
    flipped[at] = static_cast<char>(flipped[at] ^ static_cast<char>(1 + rng.below(255)));
    hostile.open(flipped, fmt::format("byte {} changed", at));
  }
  const uint64_t kExtremes[] = {
      0, 1, 0x7FFFFFFF, 0xFFFFFFFF, uint64_t{1} << 40, uint64_t{1} << 62, ~uint64_t{0} >> 1, ~uint64_t{0}};
  for (size_t at = 0; at + 8 < header; at += 2) {
    for (const int bytes : {4, 8}) {
      const uint64_t value = kExtremes[rng.below(std::size(kExtremes))];
      hostile.open(put(text, at, value, bytes), fmt::format("{} in {} bytes at {}", value, bytes, at));
    }
  }
  for (int i = 0; i < 300; ++i) {
    std::string changed = text;
    for (uint64_t n = 1 + rng.below(8); n > 0; --n)
      changed[rng.below(changed.size())] = static_cast<char>(rng.next_u32());
    hostile.open(changed, fmt::format("random damage {}", i));
    const size_t from = rng.below(header), to = rng.below(header), length = rng.below(64);
    hostile.open(std::string(text).insert(to, text.substr(from, length)), fmt::format("{} inserted at {}", from, to));
    hostile.open(std::string(text).erase(from, length), fmt::format("{} bytes erased at {}", length, from));
  }
}

std::string valid_gguf(size_t& header) {
  Bytes kv;
  kv.str("general.alignment").u32(4).u32(32);
  kv.str("a").u32(0).u8(1).str("b").u32(1).u8(2).str("c").u32(2).u16(3).str("d").u32(3).u16(4);
  kv.str("e").u32(5).u32(5).str("f").u32(6).f32(6).str("g").u32(7).u8(1).str("h").u32(10).u64(7);
  kv.str("i").u32(11).u64(8).str("j").u32(12).f64(9);
  kv.str("tokens").u32(9).u32(8).u64(4).str("\xFF\xC3").str("token").str("").str("xyz");
  kv.str("scores").u32(9).u32(6).u64(3).f32(1).f32(2).f32(3);
  kv.str("nested").u32(9).u32(9).u64(2).u32(0).u64(1).u8(5).u32(9).u64(1).u32(1).u64(0);
  std::vector<test::GgufTensor> tensors = {
      {"f32", {5}, 0, std::string(20, '\1')},        {"f16", {3, 2}, 1, std::string(12, '\2')},
      {"q4_0", {32, 2}, 2, std::string(36, '\3')},   {"q4_1", {64, 3}, 3, std::string(120, '\4')},
      {"q8_0", {32, 17}, 8, std::string(578, '\5')}, {"bf16", {2, 2, 1}, 30, std::string(8, '\6')}};
  const std::string text = test::gguf_file(kv, 14, tensors);
  header = text.find(std::string(20, '\1'));
  return text;
}

#if LOWBIT_COUNT_MEMORY
TEST(MemoryMeter, counts_what_is_alive) {
  const MemoryMeter meter;
  struct alignas(64) Line {
    char bytes[64];
  };
  for (int i = 0; i < 100; ++i) {
    const auto a = std::make_unique<std::vector<char>>(1000), b = std::make_unique<std::vector<char>>(2000);
    const auto lines = std::make_unique<Line[]>(100);
    ASSERT_NE(lines[0].bytes, a->data());
  }
  EXPECT_GE(meter.most(), 9400u);
  EXPECT_LT(meter.most(), 20000u);
}

// What a few bytes can ask for at most: 2^22 equal values.
TEST(HostileSafetensors, runs_stay_below_their_bound) {
  const MemoryMeter meter;
  const auto whole = parse_metadata_text(R"({"values":{},"packed":{"x":{"runs":[[7,4194304]]}}})");
  ASSERT_TRUE(whole.ok()) << whole.message();
  EXPECT_LT(meter.most(), 4 * 16 * kMaxMetadataValues);
}

TEST(HostileSafetensors, runs_of_long_strings_are_refused) {
  const MemoryMeter meter;
  const std::string text = R"({"values":{},"packed":{"x":{"runs":[[")" + std::string(1000, 's') + R"(",4000000]]}}})";
  EXPECT_FALSE(parse_metadata_text(text).ok());
  EXPECT_LT(meter.most(), 64 * text.size() + (1 << 16));
}
#endif

TEST(HostileGguf, damaged_files) {
  size_t header = 0;
  const std::string text = valid_gguf(header);
  Hostile hostile("hostile.gguf");
  hostile.open(text, "whole");
  ASSERT_EQ(hostile.refused(), 0);
  damage(text, header, 11, hostile);
  EXPECT_GT(hostile.variants(), 2000);
  EXPECT_GT(hostile.refused(), hostile.variants() / 3);
  RecordProperty("variants", hostile.variants());
}

TEST(HostileGguf, wrong_types_and_counts) {
  Hostile hostile("hostile.gguf");
  for (uint32_t type = 0; type < 20; ++type) {
    // Each value type, alone and in an array, over bytes that mean something else.
    for (const char fill : {'\0', '\1', '\x7F', '\xFF'}) {
      const std::string rest(200, fill);
      hostile.open(test::gguf_file(Bytes().str("general.alignment").u32(type).raw(rest), 1, {}), "alignment");
      hostile.open(test::gguf_file(Bytes().str("k").u32(9).u32(type).raw(rest), 1, {}), "array");
      hostile.open(test::gguf_file(Bytes().str("k").u32(9).u32(9).u64(3).u32(type).raw(rest), 1, {}), "nested");
    }
  }
  for (uint32_t type = 0; type < 64; ++type) {
    for (const uint64_t n : {uint64_t{1}, uint64_t{32}, uint64_t{1} << 31, uint64_t{1} << 63}) {
      hostile.open(test::gguf_file({}, 0, {{"w", {n, 1, n}, type, std::string(64, 'x')}}), "tensor type");
    }
  }
  for (const uint64_t count : {uint64_t{1}, uint64_t{1} << 20, uint64_t{1} << 40, ~uint64_t{0}}) {
    hostile.open(Bytes().raw("GGUF").u32(3).u64(count).u64(0).raw(std::string(100, '\0')).text(), "tensor count");
    hostile.open(Bytes().raw("GGUF").u32(3).u64(0).u64(count).raw(std::string(100, '\0')).text(), "entry count");
  }
  EXPECT_GT(hostile.variants(), 400);
}

// A native file written by hand. Sizes: 16 x 32 codes of 8 bits are 512 bytes and 16 f16 scales 32, so 544, padded to
// 576; 17 rows are two row blocks.
std::string native_header() {
  return R"({"__metadata__":{"format":"lowbit","lowbit.version":"1","lowbit.layout":"rows16-columns4-planes",)"
         R"("lowbit.tensors":"{\"e\":[[20,32],\"q8_0\",16,\"int8\/32:f16\",4],\"n\":[[3],\"f32\"],\"w\":[[16,32],\"q8_0\"]}",)"
         R"("lowbit.metadata":"{\"packed\":{\"m\":{\"first\":1,\"of\":\"t\",\"splits\":\"11\"},\"r\":{\"runs\":[[3,2],[1,30]]},)"
         R"(\"t\":{\"separator\":\" \",\"strings\":\"aa bb cc\"}},\"values\":{\"x\":[1,[2,-3.5],\"\u00e9\"]}}",)"
         R"("lowbit.plan":"{\"k\":1}"},)"
         R"("w":{"dtype":"U8","shape":[576],"data_offsets":[0,576]},)"
         R"("n":{"dtype":"F32","shape":[3],"data_offsets":[576,588]},"#pad588":{"dtype":"U8","shape":[52],"data_offsets":[588,640]},)"
         R"("e#0":{"dtype":"U8","shape":[576],"data_offsets":[640,1216]},"e#1":{"dtype":"U8","shape":[576],"data_offsets":[1216,1792]},)"
         R"("e#rows":{"dtype":"I32","shape":[20],"data_offsets":[1792,1872]},"#pad1872":{"dtype":"U8","shape":[48],"data_offsets":[1872,1920]}})";
}

std::string native_file(std::string header) {
  while ((8 + header.size()) % 64 != 0) header += ' ';
  Bytes file;
  file.u64(header.size()).raw(header).raw(std::string(1792, '\1'));
  for (uint64_t i = 0; i < 20; ++i) file.u32((i * 7 + 3) % 20);
  return file.raw(std::string(48, '\0')).text();
}

TEST(HostileSafetensors, damaged_files) {
  const std::string text = native_file(native_header());
  Hostile hostile("hostile.safetensors");
  const auto file = open_model("hostile.safetensors", test::bytes_of(text));
  ASSERT_TRUE(file.ok()) << file.message();
  EXPECT_EQ((*file)->metadata().dump(), R"({"m":["b b","c c"],"r":[3,3,)" + [] {
    std::string ones;
    for (int i = 0; i < 30; ++i) ones += i == 0 ? "1" : ",1";
    return ones;
  }() + "],\"t\":[\"aa\",\"bb\",\"cc\"],\"x\":[1,[2,-3.5],\"\xC3\xA9\"]}");
  ASSERT_TRUE((*file)->load(2).ok()) << (*file)->load(2).message();
  damage(text, 8 + native_header().size(), 12, hostile);
  EXPECT_GT(hostile.variants(), 2000);
  EXPECT_GT(hostile.refused(), hostile.variants() / 3);
}

// Codes of three values once had two planes.
TEST(HostileSafetensors, ternary_weights_of_an_old_layout) {
  std::string header = native_header();
  const auto replace = [&](std::string_view from, std::string_view to) {
    header.replace(header.find(from), from.size(), to);
  };
  replace(R"([[16,32],\"q8_0\"])", R"([[16,32],\"ternary\"])");
  auto file = open_model("old.safetensors", test::bytes_of(native_file(header)));
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.message().find("its ternary weights have 2 bits"), std::string::npos) << file.message();
  replace("rows16-columns4-planes", "rows16-columns4-planes-fives");
  replace(R"("shape":[576],"data_offsets":[0,576])", R"("shape":[128],"data_offsets":[0,128])");
  replace(R"("n":{)", R"("#pad128":{"dtype":"U8","shape":[448],"data_offsets":[128,576]},"n":{)");
  file = open_model("new.safetensors", test::bytes_of(native_file(header)));
  EXPECT_TRUE(file.ok()) << file.message();
  replace(R"(\"ternary\")", R"(\"int2\")");
  file = open_model("wrong.safetensors", test::bytes_of(native_file(header)));
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.message().find("expected"), std::string::npos);
}

// Every number and every string of the header replaced by what does not belong there; the header stays whole JSON.
TEST(HostileSafetensors, wrong_values_in_a_whole_header) {
  Hostile hostile("hostile.safetensors");
  const std::string header = native_header();
  hostile.open(native_file(header), "whole");
  ASSERT_EQ(hostile.refused(), 0);
  const std::string_view kNumbers[] = {"0",
                                       "1",
                                       "-1",
                                       "1e300",
                                       "4294967296",
                                       "9223372036854775807",
                                       "18446744073709551615",
                                       "99999999999999999999999",
                                       "[]",
                                       "{}",
                                       "null",
                                       "true"};
  for (size_t at = 0; at < header.size(); ++at) {
    if (std::isdigit(static_cast<unsigned char>(header[at])) == 0 ||
        std::isdigit(static_cast<unsigned char>(header[at - 1])) != 0)
      continue;
    const size_t end = std::min(header.find_first_not_of("0123456789", at), header.size());
    for (const std::string_view number : kNumbers) {
      hostile.open(native_file(header.substr(0, at) + std::string(number) + header.substr(end)),
                   fmt::format("{} at {}", number, at));
    }
  }
  const std::string_view kStrings[] = {"",   "int8/1:f16", "w",  "#", "int4/0", "q4_1/tensor/tensor",
                                       "U8", "I32",        "F64"};
  for (size_t at = header.find('"'); at != std::string::npos; at = header.find('"', at + 1)) {
    const size_t end = header.find('"', at + 1);
    if (end == std::string::npos) break;
    for (const std::string_view string : kStrings) {
      hostile.open(native_file(header.substr(0, at + 1) + std::string(string) + header.substr(end)),
                   fmt::format("{} at {}", string, at));
    }
  }
  EXPECT_GT(hostile.variants(), 1000);
}

TEST(HostileSafetensors, nesting_lengths_and_row_orders) {
  Hostile hostile("hostile.safetensors");
  const std::string header = native_header();
  for (const std::string_view open : {"[", "{\"a\":", "[[1],"}) {
    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += open;
    hostile.open(native_file(deep), "deep header");
    hostile.open(native_file("{\"a\":" + deep), "deep tensor");
    std::string escaped;
    for (const char c : deep) escaped += c == '"' ? "\\\"" : std::string(1, c);
    std::string plan = header;
    plan.replace(plan.find("{\\\"k\\\":1}"), 9, escaped);
    hostile.open(native_file(plan), "deep plan");
  }
  EXPECT_EQ(hostile.refused(), hostile.variants());
  for (const uint64_t length :
       {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{1} << 32, uint64_t{1} << 63, ~uint64_t{0}}) {
    hostile.open(put(native_file(header), 0, length, 8), "length");
  }
  // Row orders that are no permutation.
  const std::string whole = native_file(header);
  for (const uint64_t row : {uint64_t{0}, uint64_t{20}, uint64_t{0xFFFFFFFF}, uint64_t{0x80000000}}) {
    const std::string text = put(put(whole, whole.size() - 128, row, 4), whole.size() - 124, row, 4);
    const auto file = open_model("hostile.safetensors", test::bytes_of(text));
    ASSERT_TRUE(file.ok()) << file.message();
    const auto weight = (*file)->load(2);
    ASSERT_FALSE(weight.ok());
    EXPECT_NE(weight.message().find("\"e\""), std::string::npos) << weight.message();
  }
}

}  // namespace
}  // namespace lowbit::io

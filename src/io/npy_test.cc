#include "io/npy.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/rng.h"
#include "io/test_files.h"

namespace lowbit::io {
namespace {

using test::Bytes;

std::string npy(std::string_view header, std::string_view data, int version = 1) {
  Bytes file;
  file.raw("\x93NUMPY").u8(static_cast<uint64_t>(version)).u8(0).u(header.size(), version == 1 ? 2 : 4);
  return file.raw(header).raw(data).text();
}

TEST(Npy, written_by_numpy) {
  // numpy.save of numpy.array([[1, -2.5, 0.1]], dtype='<f4'), as NumPy 1.24 lays it out: a header of 118 bytes.
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }";
  header += std::string(117 - header.size(), ' ') + "\n";
  const std::string text = npy(header, Bytes().f32(1).f32(-2.5f).f32(0.1f).text());
  EXPECT_EQ(text.size(), 128u + 12);
  const auto array = parse_npy("a.npy", test::bytes_of(text));
  ASSERT_TRUE(array.ok()) << array.message();
  EXPECT_EQ(array->shape, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(std::get<0>(array->values), (std::vector<float>{1, -2.5f, 0.1f}));
  const auto longs =
      parse_npy("a.npy", test::bytes_of(npy("{\"shape\":(2L,),'descr':'|u1','fortran_order':False}", "\1\2", 2)));
  ASSERT_TRUE(longs.ok()) << longs.message();
  EXPECT_EQ(std::get<1>(longs->values), (std::vector<uint8_t>{1, 2}));
}

TEST(Npy, round_trip) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "a.npy";
  const NpyArray arrays[] = {{{2, 2}, std::vector<float>{1, -0.0f, 0x1p-149f, 3e38f}},
                             {{3}, std::vector<uint8_t>{0, 7, 255}},
                             {{1, 2, 1}, std::vector<uint16_t>{1, 65535}},
                             {{}, std::vector<float>{4}},
                             {{0, 5}, std::vector<float>{}}};
  for (const NpyArray& array : arrays) {
    ASSERT_TRUE(write_npy(path, array).ok());
    const auto again = read_npy(path);
    ASSERT_TRUE(again.ok()) << again.message();
    EXPECT_EQ(again->shape, array.shape);
    EXPECT_EQ(again->values, array.values);
    EXPECT_EQ(test::read_file(path).find('\n') % 64, 63u);
  }
}

TEST(Npy, errors) {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  const std::pair<std::string, std::string_view> kCases[] = {
      {"hello world", "not an .npy"},
      {npy(good, "1234567"), "7 bytes of data, expected 8"},
      {npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", ""), "\"<f8\""},
      {npy("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", ""), "\">f4\""},
      {npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", "12345678"), "Fortran"},
      {npy("{'descr': '<f4', 'fortran_order': False, }", ""), "not understood"},
      {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", ""), "not understood"},
      {npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 1099511627776), }", ""), "too many"},
      {npy(good + "x", "12345678"), "not understood"},
      {npy(good, "12345678", 4), "version 4"},
      {npy(good, "").substr(0, 20), "a header of"},
  };
  for (const auto& [text, word] : kCases) {
    const auto array = parse_npy("bad.npy", test::bytes_of(text));
    ASSERT_FALSE(array.ok()) << text;
    EXPECT_NE(array.message().find(word), std::string::npos) << array.message();
    EXPECT_NE(array.message().find("bad.npy"), std::string::npos) << array.message();
  }
}

constexpr NpyType kFloats[] = {NpyType::float16, NpyType::float32, NpyType::float64};

TEST(Npy, views_of_every_type_and_order) {
  const std::string text = npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }", std::string(48, 'x'));
  const auto view = view_npy("a.npy", test::bytes_of(text), {kFloats, true});
  ASSERT_TRUE(view.ok()) << view.message();
  EXPECT_EQ(view->type, NpyType::float64);
  EXPECT_TRUE(view->fortran_order);
  EXPECT_EQ(view->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(view->elements(), 6);
  EXPECT_EQ(npy_type_name(view->type), "float64");
  EXPECT_FALSE(view_npy("a.npy", test::bytes_of(text), {kFloats, false}).ok());
  const auto half =
      view_npy("a.npy", test::bytes_of(npy("{'descr':'<f2','fortran_order':False,'shape':()}", "ab")), {kFloats});
  ASSERT_TRUE(half.ok()) << half.message();
  EXPECT_EQ(half->elements(), 1);
}

TEST(Npy, written_piece_by_piece) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "a.npy";
  const NpyType types[] = {NpyType::float32, NpyType::uint8,   NpyType::uint16,
                           NpyType::uint32,  NpyType::float16, NpyType::float64};
  for (const NpyType type : types) {
    const int64_t shape[] = {3, 2};
    auto writer = NpyWriter::create(path, type, shape, true);
    ASSERT_TRUE(writer.ok()) << writer.message();
    const std::vector<std::byte> half(3 * npy_type_bytes(type), std::byte{7});
    ASSERT_TRUE(writer->write(half).ok());
    EXPECT_FALSE(std::filesystem::exists(path) && type == NpyType::float32);
    ASSERT_TRUE(writer->write(half).ok());
    ASSERT_TRUE(writer->commit().ok());
    const auto again = map_npy(path, {types, true});
    ASSERT_TRUE(again.ok()) << again.message();
    EXPECT_EQ(again->type, type);
    EXPECT_TRUE(again->fortran_order);
    EXPECT_EQ(again->shape, (std::vector<int64_t>{3, 2}));
    EXPECT_EQ(again->data.size(), 2 * half.size());
    EXPECT_EQ(again->data.back(), std::byte{7});
  }
}

TEST(Npy, views_refuse_what_is_not_wanted) {
  const std::pair<std::string, std::string_view> kCases[] = {
      {"", "offset 0: the file ends inside the magic number"},
      {"\x93NUMP!\1\0", "not an .npy file"},
      {npy("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", "12345678"),
       "\">f4\" (big-endian), expected float16, float32 or float64 (<f2, <f4, <f8)"},
      {npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "12345678"), "\"|O\" (Python objects)"},
      {npy("{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", "1234"), "\"<i4\", expected float16"},
      {npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234"), "not understood"},
      {npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", "12345678"), "8 bytes of data, expected 16"},
      {npy("{'descr': '<f2', 'fortran_order': False, 'shape': (9999999999999, 9999999999), }", ""), "not understood"},
      {npy("{'descr': '<f2', 'fortran_order': False, 'shape': (1099511627776, 1099511627776), }", ""), "too many"},
      {npy("{'descr': '<f2', 'fortran_order': False, 'shape': (1099511627776,), }", ""), "0 bytes of data, expected"},
  };
  for (const auto& [text, word] : kCases) {
    const auto view = view_npy("bad.npy", test::bytes_of(text), {kFloats, true});
    ASSERT_FALSE(view.ok()) << text;
    EXPECT_NE(view.message().find(word), std::string::npos) << view.message();
    EXPECT_EQ(view.message().find("bad.npy: offset "), 0u) << view.message();
  }
}

TEST(Npy, damaged_files) {
  const std::string text = npy("{'descr': '<u2', 'fortran_order': False, 'shape': (3, 4), }", std::string(24, 'x'));
  Rng rng(3);
  for (int i = 0; i < 2000; ++i) {
    std::string changed = text.substr(0, rng.below(4) == 0 ? rng.below(text.size()) : text.size());
    for (uint64_t n = rng.below(4); n > 0 && !changed.empty(); --n)
      changed[rng.below(changed.size())] = static_cast<char>(rng.next_u32());
    const auto array = parse_npy("bad.npy", test::bytes_of(changed));
    if (!array.ok()) {
      EXPECT_NE(array.message().find("bad.npy"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace lowbit::io

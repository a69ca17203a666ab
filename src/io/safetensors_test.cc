#include "io/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "io/metadata_text.h"
#include "io/test_files.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

using nlohmann::json;
using test::Bytes;

struct Named {
  std::string name;
  tensor::Weight weight;
};

// A weight whose packed bytes, padding included, are random: what comes back must be these bytes.
tensor::Weight random_weight(std::vector<int64_t> shape, const std::vector<std::pair<std::string, int64_t>>& parts,
                             bool row_order, Rng& rng) {
  tensor::Weight weight;
  weight.shape = shape;
  for (const auto& [format, rows] : parts) {
    auto matrix = tensor::PackedMatrix::allocate(*formats::parse_format(format), rows, shape.back());
    const bool vector = rows == 1 && matrix->format().is_plain();
    const size_t word = static_cast<size_t>(matrix->format().element.bits) / 8;
    auto bytes = matrix->writable();
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (!vector || i % (16 * word) < word) bytes[i] = static_cast<std::byte>(rng.next_u32());
    }
    weight.parts.push_back(std::move(*matrix));
  }
  if (row_order) {
    for (int32_t i = 0; i < shape[0]; ++i) weight.row_order.push_back(i);
    for (size_t i = weight.row_order.size(); i > 1; --i)
      std::swap(weight.row_order[i - 1], weight.row_order[rng.below(i)]);
  }
  return weight;
}

std::vector<Named> random_model(uint64_t seed) {
  Rng rng(seed);
  std::vector<Named> model;
  const auto add = [&](std::string name, std::vector<int64_t> shape,
                       const std::vector<std::pair<std::string, int64_t>>& parts, bool row_order = false) {
    model.push_back({std::move(name), random_weight(std::move(shape), parts, row_order, rng)});
  };
  add("token_embd.weight", {50, 96}, {{"int4/64:f16+zp", 20}, {"int2/32", 30}}, true);
  add("output.weight", {35, 70}, {{"q8_0", 16}, {"nf4/64", 19}});
  add("one.part.with.order", {17, 33}, {{"int5/64:f16+zp", 17}}, true);
  add("norm.weight", {5}, {{"f32", 1}});
  add("a.weight", {33, 64}, {{"q4_1", 33}});
  add("b.weight", {3, 257}, {{"uint4/32:uint6+uint6/256:f16+f16", 3}});
  add("c.weight", {18, 50}, {{"nvfp4", 18}});
  add("halves", {1, 7}, {{"bf16", 1}});
  add("half.vector", {9}, {{"f16", 1}});
  add("float.matrix", {4, 5}, {{"f32", 4}});
  add("half.matrix", {4, 5}, {{"f16", 4}});
  add("packed.vector", {40}, {{"int8/32", 1}});
  add("ternary \xC3\xA9\"\\", {2, 2}, {{"ternary/row", 2}});
  return model;
}

std::vector<StoredTensor> announce(const std::vector<Named>& model) {
  std::vector<StoredTensor> tensors;
  for (const Named& named : model) {
    StoredTensor stored{named.name, named.weight.shape, {}, !named.weight.row_order.empty()};
    for (const auto& part : named.weight.parts) stored.parts.push_back({part.format(), part.rows()});
    tensors.push_back(std::move(stored));
  }
  return tensors;
}

json some_metadata() {
  json tokens = json::array(), types = json::array(), merges = json::array(), scores = json::array();
  for (int i = 0; i < 100; ++i) {
    tokens.push_back(i % 10 == 3 ? std::string("\xFF\xC3") + static_cast<char>(i) : fmt::format("t{}\"\\", i));
    types.push_back(i < 7 ? 3 : 1);
    scores.push_back(-0.5 * i);
  }
  for (int i = 40; i < 90; ++i) {
    const auto token = tokens[static_cast<size_t>(i)].get<std::string>();
    merges.push_back(token.substr(0, static_cast<size_t>(i % 3)) + " " + token.substr(static_cast<size_t>(i % 3)));
  }
  return {{"general.architecture", "llama"},
          {"x.count", 3},
          {"x.negative", -3},
          {"x.fraction", 9.999999747378752e-06},
          {"x.one", 1.0},
          {"x.flag", false},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.merges", merges},
          {"tokenizer.ggml.scores", scores},
          {"empty", json::array()},
          {"tokenizer.chat_template", "{{ '<|im_start|>\n' }}"}};
}

void write_model(const std::string& path, const std::vector<Named>& model, const json& metadata, const json& plan) {
  auto writer = SafetensorsWriter::create(path, metadata, plan, announce(model));
  ASSERT_TRUE(writer.ok()) << writer.message();
  for (const Named& named : model) {
    const Status status = writer->write(named.name, named.weight);
    ASSERT_TRUE(status.ok()) << status.message();
  }
  const Status status = writer->commit();
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(std::filesystem::file_size(path), writer->file_bytes());
  EXPECT_EQ(*native_file_bytes(metadata, plan, announce(model)), writer->file_bytes());
}

TEST(Safetensors, round_trip_is_bit_equal) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const std::vector<Named> model = random_model(1);
  const json plan = {{"tensors", {{"a.weight", "q4_1"}}}, {"seed", 7}};
  write_model(path, model, some_metadata(), plan);
  const auto file = open_model(path);
  ASSERT_TRUE(file.ok()) << file.message();
  EXPECT_EQ((*file)->kind(), "safetensors");
  EXPECT_EQ((*file)->metadata(), some_metadata());
  EXPECT_EQ((*file)->metadata().dump(-1, ' ', true, json::error_handler_t::replace),
            some_metadata().dump(-1, ' ', true, json::error_handler_t::replace));
  EXPECT_EQ((*file)->plan(), plan);
  ASSERT_EQ((*file)->tensors().size(), model.size());
  uint64_t bytes = 0;
  for (size_t i = 0; i < model.size(); ++i) {
    const TensorInfo& info = (*file)->tensors()[i];
    bytes += info.bytes;
    EXPECT_EQ(info.name, model[i].name);
    EXPECT_EQ(info.shape, model[i].weight.shape);
    const auto weight = (*file)->load(i);
    ASSERT_TRUE(weight.ok()) << weight.message();
    EXPECT_EQ(weight->shape, model[i].weight.shape);
    EXPECT_EQ(weight->row_order, model[i].weight.row_order);
    ASSERT_EQ(weight->parts.size(), model[i].weight.parts.size());
    for (size_t p = 0; p < weight->parts.size(); ++p) {
      const auto& part = weight->parts[p];
      const auto& expected = model[i].weight.parts[p];
      EXPECT_EQ(part.format(), expected.format());
      EXPECT_EQ(info.parts[p].format, expected.format());
      EXPECT_EQ(info.parts[p].rows, expected.rows());
      EXPECT_TRUE(std::ranges::equal(part.bytes(), expected.bytes())) << info.name << " part " << p;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(part.bytes().data()) % 64, 0u) << info.name;
    }
  }
  // Everything in the file but the header is counted as tensor data.
  uint64_t header = 0;
  std::memcpy(&header, test::read_file(path).data(), 8);
  EXPECT_EQ(bytes + header + 8, (*file)->file_bytes());
}

// The rules of the safetensors format, checked from the bytes alone.
TEST(Safetensors, file_is_valid_safetensors) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  write_model(path, random_model(2), some_metadata(), nullptr);
  const std::string text = test::read_file(path);
  uint64_t length = 0;
  std::memcpy(&length, text.data(), 8);
  const json header = json::parse(text.substr(8, length));
  EXPECT_EQ((8 + length) % 64, 0u);
  const std::map<std::string, uint64_t> sizes = {{"U8", 1}, {"I32", 4}, {"F32", 4}, {"F16", 2}, {"BF16", 2}};
  std::vector<std::pair<uint64_t, uint64_t>> places;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, value] : entry.items()) EXPECT_TRUE(value.is_string()) << key;
      continue;
    }
    uint64_t bytes = sizes.at(entry.at("dtype").get<std::string>());
    for (const auto& n : entry.at("shape")) bytes *= n.get<uint64_t>();
    const auto begin = entry.at("data_offsets").at(0).get<uint64_t>(),
               end = entry.at("data_offsets").at(1).get<uint64_t>();
    EXPECT_EQ(end - begin, bytes) << name;
    if (!name.starts_with("#pad")) {
      EXPECT_EQ((8 + length + begin) % 64, 0u) << name;
    }
    places.emplace_back(begin, end);
  }
  std::ranges::sort(places);
  uint64_t end = 0;
  for (const auto& [begin, stop] : places) {
    EXPECT_EQ(begin, end);
    end = stop;
  }
  EXPECT_EQ(8 + length + end, text.size());
  EXPECT_EQ(header.at("norm.weight").at("dtype"), "F32");
  EXPECT_EQ(header.at("norm.weight").at("shape"), json::array({5}));
  EXPECT_EQ(header.at("halves").at("shape"), json::array({1, 7}));
  EXPECT_EQ(header.at("token_embd.weight#rows").at("dtype"), "I32");
}

TEST(Safetensors, same_content_same_bytes) {
  const test::TemporaryFolder folder;
  write_model(folder / "a", random_model(3), some_metadata(), {{"k", 1}});
  write_model(folder / "b", random_model(3), some_metadata(), {{"k", 1}});
  EXPECT_EQ(test::read_file(folder / "a"), test::read_file(folder / "b"));
}

TEST(Safetensors, writer_refuses_what_was_not_announced) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "m";
  const std::vector<Named> model = random_model(4);
  {
    auto writer = SafetensorsWriter::create(path, some_metadata(), nullptr, announce(model));
    ASSERT_TRUE(writer.ok());
    const Status other = writer->write(model[1].name, model[1].weight);
    EXPECT_NE(other.message().find("was announced"), std::string::npos) << other.message();
    const Status shape = writer->write(model[0].name, model[1].weight);
    EXPECT_NE(shape.message().find("another shape or format"), std::string::npos) << shape.message();
    const Status early = writer->commit();
    EXPECT_NE(early.message().find("1 of 13"), std::string::npos) << early.message();
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  const auto refused = [&](const json& metadata, const json& plan, std::vector<StoredTensor> tensors) {
    const auto writer = SafetensorsWriter::create(path, metadata, plan, std::move(tensors));
    return writer.ok() ? std::string("accepted") : writer.message();
  };
  const auto f32 = *formats::parse_format("f32");
  json deep = 1;
  for (int i = 0; i < 100; ++i) deep = json::array({deep});
  EXPECT_NE(refused(json::array(), nullptr, {}).find("no JSON object"), std::string::npos);
  EXPECT_NE(refused({{"x", deep}}, nullptr, {}).find("nested"), std::string::npos);
  EXPECT_NE(refused(json::object(), std::numeric_limits<double>::infinity(), {}).find("plan"), std::string::npos);
  EXPECT_NE(refused(json::object(), {}, {{"a#b", {4}, {{f32, 1}}, false}}).find("a#b"), std::string::npos);
  EXPECT_NE(
      refused(json::object(), {}, {{"a", {4}, {{f32, 1}}, false}, {"a", {4}, {{f32, 1}}, false}}).find("two tensors"),
      std::string::npos);
  EXPECT_NE(refused(json::object(), {}, {{"a", {4, 4}, {{f32, 3}}, false}}).find("3 rows"), std::string::npos);
  EXPECT_NE(refused(json::object(), {}, {{"a", {0}, {{f32, 1}}, false}}).find("dimension of 0"), std::string::npos);
  EXPECT_NE(refused(json::object(), {}, {{"a", {1, 1, 2, 3}, {{f32, 2}}, false}}).find("4 dimensions"),
            std::string::npos);
  EXPECT_EQ(refused(json::object(), {}, {}), "accepted");
}

std::string plain_file(const std::string& header, size_t data) {
  return Bytes().u64(header.size()).raw(header).raw(std::string(data, '\1')).text();
}

TEST(Safetensors, file_of_others_says_what_was_found) {
  const std::string text = plain_file(
      R"({"model.embed_tokens.weight":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"n":{"dtype":"F32","shape":[],"data_offsets":[12,16]},"__metadata__":{"format":"pt"}})",
      16);
  const auto file = open_model("hf.safetensors", test::bytes_of(text));
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.message().find("hf.safetensors"), std::string::npos);
  EXPECT_NE(file.message().find("2 tensors (BF16, F32)"), std::string::npos) << file.message();
}

TEST(Safetensors, header_errors) {
  const auto message = [](const std::string& text) {
    const auto file = open_model("h.safetensors", test::bytes_of(text));
    return file.ok() ? std::string("opened") : file.message();
  };
  const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  const std::pair<std::string, std::string_view> kCases[] = {
      {"{" + a + "," + a + "}", "twice"},
      {"{" + a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", "begin at 4"},
      {"{" + a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[6,10]}})", "begin at 4"},
      {"{" + a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[4,2]}})", "begin at 4"},
      {"{" + a + "}", "the tensors take 4 bytes"},
      {R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,4]}})", "expected 5"},
      {R"({"a":{"dtype":"Q7","shape":[4],"data_offsets":[0,4]}})", "\"Q7\""},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})", "too large"},
      {R"({"a":{"dtype":"U8","shape":[4]}})", "lacks"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}})", "expected 2"},
      {R"({"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})", "negative"},
      {R"({"a":{"dtype":"U8","shape":[4.5],"data_offsets":[0,4]}})", "fraction"},
      {R"({"a":{"dtype":7,"shape":[4],"data_offsets":[0,4]}})", "a number"},
      {R"({"a":{"dtype":"U8","shape":[[4]],"data_offsets":[0,4]}})", "an array"},
      {R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", "more than 8"},
      {R"({"a":{"dtype":"U8","more":1}})", "unknown field"},
      {R"({"a":[]})", "an array"},
      {R"({"__metadata__":{"x":1}})", "a number"},
      {R"({"__metadata__":{"x":"1","x":"2"}})", "twice"},
      {R"({"__metadata__":{"x":"1"},"__metadata__":{}})", "twice"},
      {R"({"__metadata__":{"x":{}}})", "an object"},
      {R"({"a":)", "parse error"},
      {"{\"\xFF\":", "UTF-8"},
  };
  for (const auto& [header, word] : kCases) {
    const std::string found = message(plain_file(header, 8));
    EXPECT_NE(found.find(word), std::string::npos) << header << "\n" << found;
    EXPECT_NE(found.find("h.safetensors"), std::string::npos) << found;
  }
  EXPECT_NE(message(Bytes().u64(1 << 20).raw("{}").text()).find("a header of 1048576"), std::string::npos);
  EXPECT_NE(message("hello, world").find("neither GGUF nor safetensors"), std::string::npos);
  EXPECT_NE(message("").find("neither"), std::string::npos);
}

TEST(MetadataText, packed_lists_come_back_and_are_small) {
  json tokens = json::array(), merges = json::array(), types = json::array();
  std::string raw;
  for (int i = 0; i < 5000; ++i) {
    const std::string token = fmt::format("tok{}en", i);
    tokens.push_back(token);
    raw += token;
    types.push_back(1);
    if (i >= 257)
      merges.push_back(token.substr(0, static_cast<size_t>(1 + i % 4)) + " " +
                       token.substr(static_cast<size_t>(1 + i % 4)));
  }
  tokens[7] = std::string(500, 'x');
  tokens[300] = std::string(200, 'y');
  merges[43] = std::string(130, 'y') + " " + std::string(70, 'y');
  const json metadata = {{"merges", merges}, {"tokens", tokens}, {"types", types}, {"mixed", {1, 1.0, true, "x"}}};
  const std::string text = metadata_text(metadata);
  EXPECT_LT(text.size(), raw.size() + 5000 + 5000 + 1500);
  const auto again = parse_metadata_text(text);
  ASSERT_TRUE(again.ok()) << again.message();
  EXPECT_EQ(*again, metadata);
  EXPECT_EQ(again->dump(), metadata.dump());
}

TEST(MetadataText, lists_that_cannot_be_packed_stay) {
  json all_separators = json::array(), not_divided = json::array(), numbers = json::array();
  for (int i = 0; i < 50; ++i) {
    all_separators.push_back(fmt::format(" ,;|\t\n{}", i));
    not_divided.push_back("a b");
    numbers.push_back(i % 2 == 0 ? json(1) : json(1.0));
  }
  const json metadata = {{"a", all_separators}, {"b", not_divided}, {"n", numbers}};
  const auto again = parse_metadata_text(metadata_text(metadata));
  ASSERT_TRUE(again.ok()) << again.message();
  EXPECT_EQ(again->dump(), metadata.dump());
}

TEST(MetadataText, hostile_packing_is_refused) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {R"({"values":{},"packed":{"x":{"runs":[[0,4000000000]]}}})", "run"},
      {R"({"values":{},"packed":{"x":{"runs":[[0,4000000]]},"y":{"runs":[[0,4000000]]}}})", "more than"},
      {R"({"values":{},"packed":{"x":{"runs":[[[],4]]}}})", "neither a number"},
      {R"({"values":{},"packed":{"x":{"runs":[["text",4]]}}})", "neither a number"},
      {R"({"values":{},"packed":{"x":{"runs":[[null,4]]}}})", "neither a number"},
      {R"({"values":{},"packed":{"x":{"runs":[[1,-4]]}}})", "whole number"},
      {R"({"values":{},"packed":{"x":{"runs":[[1,1e300]]}}})", "whole number"},
      {R"({"values":{},"packed":{"x":{"strings":"a b","separator":""}}})", "separator"},
      {R"({"values":{},"packed":{"x":{"splits":"0","of":"y","first":0}}})", "no list of strings"},
      {R"({"values":{"y":["a"]},"packed":{"x":{"splits":"00","of":"y","first":0}}})", "beyond the 1 strings"},
      {R"({"values":{"y":["a"]},"packed":{"x":{"splits":"0","of":"y","first":9}}})", "beyond the 1 strings"},
      {R"({"values":{"y":["a"]},"packed":{"x":{"splits":"5","of":"y","first":0}}})", "beyond its length"},
      {R"({"values":{"y":["a"]},"packed":{"x":{"splits":"#","of":"y","first":0}}})", "no length"},
      {R"({"values":{"y":["a"]},"packed":{"a":{"splits":"0","of":"y","first":0},"b":{"splits":"0","of":"y","first":0}}})",
       "same list"},
      {R"({"values":{},"packed":{"x":{"zip":"0"}}})", "unknown way"},
      {R"({"values":[],"packed":{}})", "no JSON object"},
      {R"({"values":{}})", "packed"},
      {R"([])", "no JSON object"},
      {R"({"values":)", "parse error"},
  };
  for (const auto& [text, word] : kCases) {
    const auto found = parse_metadata_text(text);
    ASSERT_FALSE(found.ok()) << text;
    EXPECT_NE(found.message().find(word), std::string::npos) << text << "\n" << found.message();
  }
  EXPECT_FALSE(parse_metadata_text(std::string(100000, '[')).ok());
}

// A file may hold a hundred thousand lists; comparing each with each would take minutes.
TEST(MetadataText, many_lists_do_not_take_the_square_of_the_time) {
  nlohmann::json metadata = nlohmann::json::object();
  for (int list = 0; list < 20000; ++list) {
    auto& strings = metadata[fmt::format("list{}", list)] = nlohmann::json::array();
    for (int i = 0; i < 32; ++i) strings.push_back(fmt::format("{} {}", list, i));
  }
  auto& tokens = metadata["tokens"] = nlohmann::json::array();
  auto& merges = metadata["merges"] = nlohmann::json::array();
  for (int i = 0; i < 100000; ++i) tokens.push_back(fmt::format("t{}", i));
  for (int i = 5; i < 100000; ++i) merges.push_back(fmt::format("t {}", i));
  const std::string text = metadata_text(metadata);
  EXPECT_NE(text.find(R"("of":"tokens")"), std::string::npos);
  EXPECT_EQ(parse_metadata_text(text).value(), metadata);
}

TEST(Utf8, escaping_is_lossless_and_valid) {
  Rng rng(5);
  const std::string_view kPieces[] = {"a",
                                      "\xC3\xA9",
                                      "\xE2\x82\xAC",
                                      "\xF0\x9F\x98\x80",
                                      "\xFF",
                                      "\xC3",
                                      "\x80",
                                      "\xF4\x8F\xBE\x80",
                                      "\xF4\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xED\xA0\x80",
                                      "\xC0\x80",
                                      "\xF4\x8F",
                                      "\xBE",
                                      "\xE0\x80\x80"};
  for (int i = 0; i < 2000; ++i) {
    std::string bytes;
    for (uint64_t n = rng.below(12); n > 0; --n) {
      if (rng.below(3) == 0) {
        bytes += static_cast<char>(rng.next_u32());
      } else {
        bytes += kPieces[rng.below(std::size(kPieces))];
      }
    }
    const std::string text = escape_bytes(bytes);
    EXPECT_TRUE(is_utf8(text));
    EXPECT_EQ(unescape_bytes(text), bytes);
    // The JSON library has a UTF-8 check of its own.
    EXPECT_NO_THROW((void)json(text).dump());
    bool valid = true;
    try {
      (void)json(bytes).dump();
    } catch (const json::exception&) {
      valid = false;
    }
    EXPECT_EQ(is_utf8(bytes), valid);
  }
  EXPECT_EQ(escape_bytes("plain \xE2\x82\xAC"), "plain \xE2\x82\xAC");
  EXPECT_EQ(shown(std::string_view("a\n\xFF\0", 4)), "\"a\\x0a\\xff\\x00\"");
  EXPECT_LT(shown(std::string(10000, 'x')).size(), 100u);
}

}  // namespace
}  // namespace lowbit::io

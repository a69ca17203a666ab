// lowbit formats and lowbit cast as a user runs them.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/rng.h"
#include "formats/array.h"
#include "io/npy.h"
#include "program.h"

namespace lowbit::tests {
namespace {

using Json = nlohmann::json;

constexpr io::NpyType kAll[] = {io::NpyType::float32, io::NpyType::uint8,   io::NpyType::uint16,
                                io::NpyType::uint32,  io::NpyType::float16, io::NpyType::float64};

Json json_of(const std::vector<std::string>& arguments) {
  const Finished done = run(arguments);
  EXPECT_EQ(done.exit, 0) << done.err;
  EXPECT_EQ(done.err, "");
  return Json::parse(done.out);
}

void expect_error(const std::vector<std::string>& arguments, int exit, const std::string& words) {
  const Finished done = run(arguments);
  EXPECT_EQ(done.exit, exit) << done.err;
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  EXPECT_NE(done.err.find(words), std::string::npos) << done.err;
}

void expect_keys(const Json& object, std::initializer_list<const char*> keys) {
  for (const char* key : keys) EXPECT_TRUE(object.contains(key)) << key;
}

std::vector<float> normal(size_t count) {
  Rng rng(1);
  std::vector<float> out(count);
  for (float& x : out) x = static_cast<float>(rng.normal());
  return out;
}

template <class T>
std::vector<T> read(const std::string& path) {
  const auto view = io::map_npy(path, {kAll, true});
  EXPECT_TRUE(view.ok()) << view.message();
  std::vector<T> out(static_cast<size_t>(view->elements()));
  std::memcpy(out.data(), view->data.data(), view->data.size());
  return out;
}

TEST(FormatsProgram, List) {
  const Json list = json_of({"formats", "list", "--json"});
  EXPECT_EQ(list, json_of({"formats", "--json"}));
  expect_keys(list, {"elements", "families", "blocks", "roundings", "saturations"});
  bool found = false;
  for (const Json& row : list.at("elements")) {
    expect_keys(row, {"name", "bits", "least", "largest", "meaning", "source"});
    found = found || (row.at("name") == "e4m3fn" && row.at("bits") == 8 && row.at("largest") == 448);
  }
  EXPECT_TRUE(found);
  for (const Json& row : list.at("blocks")) {
    if (row.at("name") == "nvfp4") EXPECT_EQ(row.at("bits"), 4.5);
  }
  const std::string text = run({"formats"}).out;
  for (const char* word : {"e4m3fn", "positN[.ES]", "binaryKpP{s,u}{f,e}", "nvfp4", "OCP", "lnsN.R[lin]", "takumlogN",
                           "powNaA", "@levels.txt"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word;
  }
}

TEST(FormatsProgram, Show) {
  const Json e4m3 = json_of({"formats", "show", "e4m3fn", "--json"});
  expect_keys(
      e4m3, {"format", "bits", "fields", "smallest_normal", "infinities", "precision", "binades", "decimal_digits"});
  EXPECT_EQ(e4m3.at("values").size(), 256u);
  EXPECT_EQ(e4m3.at("values")[0x7E].at("value"), 448);
  EXPECT_EQ(e4m3.at("values")[0x7E].at("below"), 416);
  EXPECT_EQ(e4m3.at("values")[0x7F].at("value"), "nan");
  EXPECT_EQ(e4m3.at("first_nan"), 0x7F);
  const Json half = json_of({"formats", "show", "float16", "--json"});
  EXPECT_FALSE(half.contains("values"));
  EXPECT_EQ(json_of({"formats", "show", "f16", "--values", "--json"}).at("values").size(), 65536u);
  const Json block = json_of({"formats", "show", "q4_k", "--json"});
  EXPECT_EQ(block.at("bits_per_element"), 4.5);
  EXPECT_EQ(block.at("levels").size(), 2u);
  EXPECT_EQ(block.at("levels")[1].at("minimum"), "f16");
  const std::string text = run({"formats", "show", "e2m1"}).out;
  for (const char* word : {"│ s │ e e │ m │", "0xF   1 11 1     -6", "largest            6 (0x7)"}) {
    EXPECT_NE(text.find(word), std::string::npos) << text;
  }
}

TEST(FormatsProgram, ShowRoundsAValue) {
  const auto rounded = [](const std::string& format, const std::string& x, const std::string& round,
                          const std::string& saturate) {
    return json_of({"formats", "show", format, "--value", x, "--round", round, "--saturate", saturate, "--json"})
        .at("rounded");
  };
  Json r = rounded("e4m3fn", "464", "rne", "none");
  EXPECT_EQ(r.at("value"), 448);
  EXPECT_EQ(r.at("code"), 0x7E);
  EXPECT_EQ(r.at("error"), -16);
  EXPECT_EQ(r.at("below"), 416);
  EXPECT_TRUE(r.at("above").is_null());
  EXPECT_EQ(rounded("e4m3fn", "464.001", "rne", "none").at("value"), "nan");
  EXPECT_EQ(rounded("e5m2", "1e9", "ru", "none").at("value"), "inf");
  EXPECT_EQ(rounded("e5m2", "-inf", "rne", "propagate").at("value"), "-inf");
  EXPECT_EQ(rounded("int8", "300", "rne", "wrap").at("value"), 44);
  EXPECT_EQ(rounded("e3m2", "0.3", "rz", "finite").at("value"), 0.25);
  r = rounded("f32", "0.1", "rd", "finite");
  EXPECT_EQ(r.at("value"), static_cast<double>(0.09999999403953552));
  EXPECT_EQ(r.at("above"), static_cast<double>(0.1f));
}

// Lists of values, in brackets and in files, wherever a format may stand.
TEST(FormatsProgram, ListsOfValues) {
  const Folder folder;
  const std::string levels = folder.file("levels.txt"), in = folder.file("a.npy"), out = folder.file("b.npy");
  ASSERT_TRUE(write_text_file(levels, "-1 -0.25 # two\n0.25, 1\n").ok());
  const std::vector<float> list = {-1, 0, 2};
  ASSERT_TRUE(io::write_npy(folder.file("levels.npy"), {{3}, list}).ok());
  ASSERT_TRUE(io::write_npy(in, {{4, 256}, normal(1024)}).ok());
  EXPECT_EQ(json_of({"formats", "show", "[-1,0,1]", "--json"}).at("format"), "[-1,0,1]");
  EXPECT_EQ(json_of({"formats", "show", "@" + levels, "--json"}).at("format"), "[-1,-0.25,0.25,1]");
  const Json all = json_of(
      {"formats", "compare", "[-1,0,1]", "@" + levels + "/64:f16", "@" + folder.file("levels.npy"), "--json"});
  ASSERT_EQ(all.at("formats").size(), 3u);
  EXPECT_EQ(all.at("formats")[0].at("format"), "[-1,0,1]");
  EXPECT_EQ(all.at("formats")[1].at("format"), "[-1,-0.25,0.25,1]/64");
  EXPECT_EQ(all.at("formats")[2].at("format"), "[-1,0,2]");
  EXPECT_EQ(json_of({"cast", "--format", "[-1,0,1]", in, out, "--json"}).at("format"), "[-1,0,1]");
  EXPECT_EQ(json_of({"cast", in, out, "--format=@" + levels + "/32", "--json"}).at("format"), "[-1,-0.25,0.25,1]/32");
  ASSERT_TRUE(write_text_file(levels, "1 2\n3 four").ok());
  expect_error({"formats", "show", "@" + levels}, 2,
               levels + ": line 2, column 3: found \"four\", expected a number");
  expect_error({"cast", "--format", "@" + folder.file("none"), in, out}, 2, "found no file of this name");
}

// Values that no float32 holds are written as float64; with scales they are floats.
TEST(FormatsProgram, IrrationalElements) {
  const Folder folder;
  const std::string in = folder.file("a.npy"), out = folder.file("b.npy");
  ASSERT_TRUE(io::write_npy(in, {{4, 256}, normal(1024)}).ok());
  for (const char* format : {"lns8.3", "lns8.3lin", "takum8", "takumlog16", "pow4a0.5"}) {
    EXPECT_EQ(json_of({"cast", "--format", format, in, out, "--json"}).at("format"), format);
    EXPECT_EQ(json_of({"formats", "show", format, "--json"}).at("format"), format);
  }
  EXPECT_EQ(io::map_npy(out, {kAll})->type, io::NpyType::float64);
  for (const char* format : {"lns8.3/32", "pow4a0.5/128"}) {
    const Json done = json_of({"cast", "--format", format, in, out, "--json"});
    EXPECT_EQ(io::map_npy(out, {kAll})->type, io::NpyType::float32);
    EXPECT_LT(done.at("mse"), 0.05) << format;
  }
}

TEST(FormatsProgram, Compare) {
  const Folder folder;
  ASSERT_TRUE(io::write_npy(folder.file("a.npy"), {{4, 256}, normal(1024)}).ok());
  const std::string page = folder.file("p.html");
  const Json all = json_of(
      {"formats", "compare", "e4m3fn", "mxfp4", "posit8", "--array", folder.file("a.npy"), "--plot", page, "--json"});
  ASSERT_EQ(all.at("formats").size(), 3u);
  ASSERT_EQ(all.at("data").size(), 4u);
  expect_keys(all.at("data")[3], {"name", "elements", "amax", "rms", "crest", "block_crest"});
  for (const Json& format : all.at("formats")) {
    ASSERT_EQ(format.at("errors").size(), 4u);
    for (const Json& error : format.at("errors")) {
      EXPECT_GT(error.at("sqnr_db"), 15);
      EXPECT_LT(error.at("sqnr_db"), 40);
    }
    EXPECT_FALSE(format.contains("values"));
  }
  const std::string html = read_file(page);
  EXPECT_NE(html.find("<section id=\"precision\""), std::string::npos);
  EXPECT_NE(html.find("<section id=\"values\""), std::string::npos);
  const Finished text = run({"formats", "compare", "e2m1", "int4", "--scale", "mse", "--block", "16", "--tensor",
                             "goldens/tiny-llama.gguf:blk.0.attn_q.weight"});
  EXPECT_EQ(text.exit, 0) << text.err;
  EXPECT_NE(text.out.find("dB blk.0.attn_q.weight"), std::string::npos);
  expect_error({"formats", "compare", "e2m1", "--tensor", "goldens/tiny-llama.gguf:nothing"}, 1, "no tensor nothing");
  expect_error({"formats", "compare", "e2m1", "--tensor", "nothing"}, 2, "expected MODEL:NAME");
}

// Rouhani et al. 2023 (arXiv 2302.08007), theorem 1: signal to noise of at least 6.02 mantissa bits - 7.4 dB for
// shared micro-exponents, - 12 dB for MSFP; and a bit less than 6.02 dB are between two formats a bit apart.
TEST(FormatsProgram, CompareMicroExponents) {
  std::map<std::string, double> decibels, bits;
  const Json all = json_of({"formats", "compare", "mx4", "mx6", "mx9", "msfp12", "msfp14", "msfp16", "mxfp6",
                            "nf4/64:uint8/16384:f32", "e2m1/16x16:e4m3fn/tensor:f32", "nvfp4", "--json"});
  for (const Json& format : all.at("formats")) {
    bits[format.at("format")] = format.at("bits_per_element");
    decibels[format.at("format")] = format.at("errors")[0].at("sqnr_db");
    for (const Json& error : format.at("errors")) EXPECT_TRUE(error.at("sqnr_db").is_number()) << format.at("format");
  }
  EXPECT_EQ(bits.at("mx4"), 4);
  EXPECT_EQ(bits.at("mx6"), 6);
  EXPECT_EQ(bits.at("mx9"), 9);
  EXPECT_EQ(bits.at("msfp14"), 6.5);
  EXPECT_GT(decibels.at("mx4"), 6.02 * 2 - 7.4);
  EXPECT_GT(decibels.at("mx6"), 6.02 * 4 - 7.4);
  EXPECT_GT(decibels.at("mx9"), 6.02 * 7 - 7.4);
  EXPECT_GT(decibels.at("msfp16"), 6.02 * 7 - 12.04);
  // A bit for each pair is worth more than the 3 dB of half a bit for each number.
  EXPECT_NEAR(decibels.at("mx9") - decibels.at("msfp16"), 3.6, 0.5);
  EXPECT_NEAR(decibels.at("mx9") - decibels.at("mx6"), 3 * 6.02, 0.5);
  EXPECT_NEAR(decibels.at("msfp16") - decibels.at("msfp14"), 2 * 6.02, 0.5);
  EXPECT_GT(decibels.at("mxfp6"), decibels.at("mx6"));
  EXPECT_GT(decibels.at("nvfp4"), decibels.at("e2m1/16x16:e4m3fn/tensor:f32"));
  const Finished shown = run({"formats", "show", "e4m3fn/128x128:f32"});
  EXPECT_NE(shown.out.find("f32 for 128x128 elements"), std::string::npos) << shown.out;
}

TEST(FormatsProgram, Advise) {
  const Folder folder;
  const std::string file = folder.file("a.npy");
  ASSERT_TRUE(io::write_npy(file, {{4, 256}, normal(1024)}).ok());
  const Json advice = json_of({"formats", "advise", file, "--bits", "5", "--plot", folder.file("p.html"), "--json"});
  expect_keys(advice, {"data", "measured", "ranked"});
  ASSERT_GT(advice.at("ranked").size(), 10u);
  EXPECT_EQ(advice.at("ranked")[0].at("pareto"), true);
  for (const Json& row : advice.at("ranked")) {
    expect_keys(row, {"format", "bits", "sqnr_db", "relative_mse", "pareto"});
    EXPECT_LE(row.at("bits"), 5);
  }
  EXPECT_NE(read_file(folder.file("p.html")).find("<section id=\"advice\""), std::string::npos);
  const Finished text = run({"formats", "advise", file});
  EXPECT_LT(text.out.find("best for its bits"), text.out.find("others, best first"));
  EXPECT_EQ(json_of({"formats", "advise", file, "--threads", "1", "--json"}),
            json_of({"formats", "advise", file, "--threads", "3", "--json"}));
}

TEST(FormatsProgram, WrongUsage) {
  expect_error({"formats", "shw"}, 2, "expected one of list, show, compare, advise");
  expect_error({"formats", "show"}, 2, "expected one format");
  expect_error({"formats", "show", "e4m3fn", "e5m2"}, 2, "expected one format");
  expect_error({"formats", "list", "e4m3fn"}, 2, "expected nothing more");
  expect_error({"formats", "show", "e4m3fm"}, 2, "column 1: found the unknown name \"e4m3fm\"");
  expect_error({"formats", "compare", "int4/32:f16", "int4/0"}, 2, "column 6");
  expect_error({"formats", "show", "e4m3fn", "--bits", "3"}, 2, "--bits is for advise");
  expect_error({"formats", "compare", "e4m3fn", "--value", "3"}, 2, "--value is for show");
  expect_error({"formats", "show", "e4m3fn", "--round", "rz"}, 2, "say how --value is rounded");
  expect_error({"formats", "show", "e4m3fn", "--value", "3", "--round", "up"}, 2, "expected one of rne");
  expect_error({"formats", "show", "e4m3fn", "--value", "x"}, 2, "\"x\" is no number");
  expect_error({"formats", "show", "f32", "--values"}, 2, "at most 16");
  expect_error({"formats", "advise", "README.md"}, 1, "README.md: offset");
}

TEST(CastProgram, ValuesCodesAndStatistics) {
  const Folder folder;
  std::vector<float> x = normal(300);
  x[0] = NAN;
  x[1] = 1000;
  ASSERT_TRUE(io::write_npy(folder.file("a.npy"), {{3, 100}, x}).ok());
  const Json done = json_of({"cast", "--format", "float8_e4m3fn", folder.file("a.npy"), folder.file("b.npy"),
                             "--codes", folder.file("c.npy"), "--json"});
  EXPECT_EQ(done.at("elements"), 300);
  EXPECT_EQ(done.at("format"), "e4m3fn");
  EXPECT_EQ(done.at("round"), "rne");
  EXPECT_EQ(done.at("nan"), 1);
  EXPECT_EQ(done.at("overflow"), 1);
  EXPECT_EQ(done.at("max_error"), 552);
  EXPECT_GT(done.at("mse"), 0);
  const auto values = read<float>(folder.file("b.npy"));
  const auto codes = read<uint8_t>(folder.file("c.npy"));
  const formats::ElementFormat f = formats::parse_element("e4m3fn").value();
  for (size_t i = 1; i < x.size(); ++i) {
    EXPECT_EQ(codes[i], formats::encode(f, x[i]));
    EXPECT_EQ(values[i], f.decode(codes[i]));
  }
  EXPECT_TRUE(std::isnan(values[0]));
  // Stochastic: by the seed, not by threads.
  const auto random = [&](const char* seed, const char* threads) {
    json_of({"cast", "--format", "e2m1", "--round", "sr", "--seed", seed, "--threads", threads, folder.file("a.npy"),
             folder.file("b.npy"), "--json"});
    return read<float>(folder.file("b.npy"));
  };
  EXPECT_EQ(random("1", "1"), random("1", "3"));
  EXPECT_NE(random("1", "1"), random("2", "1"));
  const Finished text = run({"cast", "--format", "int8", folder.file("a.npy"), folder.file("b.npy")});
  EXPECT_EQ(text.exit, 0) << text.err;
  EXPECT_NE(text.out.find("NaN replaced        1: the format has none"), std::string::npos) << text.out;
}

TEST(CastProgram, TypesAndBlocks) {
  const Folder folder;
  const std::string in = folder.file("a.npy"), out = folder.file("b.npy");
  ASSERT_TRUE(io::write_npy(in, {{2, 50}, normal(100)}).ok());
  json_of({"cast", "--format", "posit16", in, out, "--codes", folder.file("c.npy"), "--json"});
  EXPECT_EQ(io::map_npy(folder.file("c.npy"), {kAll})->type, io::NpyType::uint16);
  json_of({"cast", "--format", "tf32", in, out, "--codes", folder.file("c.npy"), "--json"});
  EXPECT_EQ(io::map_npy(folder.file("c.npy"), {kAll})->type, io::NpyType::uint32);
  json_of({"cast", "--format", "e10m4", in, out, "--json"});  // 2^-514 is no float
  EXPECT_EQ(io::map_npy(out, {kAll})->type, io::NpyType::float64);
  for (const char* format : {"mxfp4", "nvfp4", "q4_k", "int4/32:f16+zp"}) {
    const Json done = json_of({"cast", "--format", format, in, out, "--json"});
    EXPECT_GT(done.at("mse"), 0) << format;
    EXPECT_LT(done.at("mse"), 0.1) << format;
  }
  const Json floor = json_of({"cast", "--format", "mxfp4", "--scale-rule", "floor", in, out, "--json"});
  EXPECT_NE(floor.at("mse"), json_of({"cast", "--format", "mxfp4", in, out, "--json"}).at("mse"));
}

TEST(CastProgram, BlocksAlongAnAxisAndOfSeveralRows) {
  const Folder folder;
  const std::string in = folder.file("a.npy"), turned = folder.file("t.npy"), out = folder.file("b.npy");
  const std::vector<float> x = normal(40 * 70);
  std::vector<float> t(x.size());
  const auto turn = [](const std::vector<float>& from, std::vector<float>& to, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < cols; ++c) to[c * rows + r] = from[r * cols + c];
    }
  };
  turn(x, t, 40, 70);
  ASSERT_TRUE(io::write_npy(in, {{40, 70}, x}).ok());
  ASSERT_TRUE(io::write_npy(turned, {{70, 40}, t}).ok());
  for (const char* format : {"mxfp4", "mx6", "q4_k", "e4m3fn/16x32:f32", "e2m1/16x16:e4m3fn/tensor:f32"}) {
    json_of({"cast", "--format", format, turned, out, "--json"});
    std::vector<float> expected(x.size());
    turn(read<float>(out), expected, 70, 40);
    for (const char* axis : {"0", "-2"}) {
      json_of({"cast", "--format", format, "--axis", axis, in, out, "--json"});
      EXPECT_EQ(read<float>(out), expected) << format << " " << axis;
    }
  }
  expect_error({"cast", "--format", "mxfp4", "--axis", "2", in, out}, 1, "axis 2: found an array of 2 axes");
  expect_error({"cast", "--format", "e4m3fn", "--axis", "0", in, out}, 2, "no blocks that could run along axis 0");
  expect_error({"cast", "--format", "int4/16x16:f16+zp", in, out}, 1, "found blocks of 16 rows");
}

// A format with blocks of several rows comes past no door to a model.
TEST(CastProgram, BlocksOfSeveralRowsAreForArrays) {
  const Folder folder;
  const std::string model = "goldens/tiny-llama.gguf", out = folder.file("q.safetensors");
  const std::string words = "format e4m3fn/128x128:f32: found blocks of 128 rows";
  expect_error({"quantize", model, "-o", out, "--format", "e4m3fn/128x128:f32", "--method", "rtn"}, 1, words);
  expect_error({"quantize", model, "-o", out, "--format", "q4_0", "--tensor", "ffn=e4m3fn/128x128:f32"}, 1, words);
  expect_error({"run", model, "-p", "a", "--activations", "e4m3fn/128x128:f32"}, 2, words);
  expect_error({"run", model, "-p", "a", "--kv", "e4m3fn/128x128:f32"}, 2, words);
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(CastProgram, WrongInput) {
  const Folder folder;
  const std::string in = folder.file("a.npy"), out = folder.file("b.npy");
  ASSERT_TRUE(io::write_npy(in, {{2, 50}, normal(100)}).ok());
  expect_error({"cast", in, out}, 2, "--format F is missing");
  expect_error({"cast", "--format", "e4m3", in}, 2, "OUT.npy is missing");
  expect_error({"cast", "--format", "mxfp5", in, out}, 2, "nearest names: mxfp");
  expect_error({"cast", "--format", "e4m3", "--round", "sr-40a", in, out}, 2, "expected 1 to 32");
  expect_error({"cast", "--format", "mxfp4", "--codes", folder.file("c.npy"), in, out}, 2, "without them");
  expect_error({"cast", "--format", "q4_k", "--round", "sr", in, out}, 2, "q4_k");
  expect_error({"cast", "--format", "e4m3", "--codes", out, in, out}, 2, "expected a file of its own");
  expect_error({"cast", "--format", "e4m3", folder.file("none.npy"), out}, 1, "none.npy");
  expect_error({"cast", "--format", "e4m3", "README.md", out}, 1, "README.md: offset 6: not an .npy file");
  EXPECT_FALSE(std::filesystem::exists(out));
  // A number of bytes that is not what the header says leaves what was there as it was.
  json_of({"cast", "--format", "e4m3", in, out, "--json"});
  const std::string before = read_file(out);
  std::ofstream(folder.file("short.npy"), std::ios::binary) << read_file(in).substr(0, 300);
  expect_error({"cast", "--format", "e4m3", folder.file("short.npy"), out}, 1, "172 bytes of data, expected 400");
  ASSERT_TRUE(io::write_npy(folder.file("whole.npy"), {{3}, std::vector<uint8_t>{1, 2, 3}}).ok());
  expect_error({"cast", "--format", "e4m3", folder.file("whole.npy"), out}, 1,
               "expected float16, float32 or float64");
  EXPECT_EQ(read_file(out), before);
  // In place.
  json_of({"cast", "--format", "e4m3", in, in, "--json"});
  EXPECT_EQ(read_file(in), before);
}

}  // namespace
}  // namespace lowbit::tests

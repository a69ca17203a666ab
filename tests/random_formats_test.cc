// Two hundred formats that nobody has named: packed, written to a file, opened from it, run, and bit for bit what the
// interpreter makes of the codes.
#include <gtest/gtest.h>

#include <set>

#include "formats/sample.h"
#include "io/safetensors.h"
#include "io/test_files.h"
#include "tiny_llama.h"

namespace lowbit {
namespace {

using test::TinyLlama;

void write_native(const std::string& path, const TinyLlama& tiny) {
  std::vector<io::StoredTensor> stored;
  for (const graph::Parameter& p : tiny.model.graph.parameters) {
    io::StoredTensor tensor{p.name, p.shape, {}, !tiny.weights.at(p.name)->row_order.empty()};
    for (const tensor::PackedMatrix& part : tiny.weights.at(p.name)->parts) {
      tensor.parts.push_back({part.format(), part.rows()});
    }
    stored.push_back(std::move(tensor));
  }
  auto writer = io::SafetensorsWriter::create(path, tiny.metadata, nullptr, stored);
  ASSERT_TRUE(writer.ok()) << writer.message();
  for (const io::StoredTensor& t : stored) {
    const Status status = writer->write(t.name, *tiny.weights.at(t.name));
    ASSERT_TRUE(status.ok()) << status.error().message;
  }
  const Status status = writer->commit();
  ASSERT_TRUE(status.ok()) << status.error().message;
}

void expect_same_weights(const tensor::Weights& read, const tensor::Weights& written) {
  ASSERT_EQ(read.size(), written.size());
  for (const auto& [name, weight] : written) {
    const tensor::Weight& other = *read.at(name);
    EXPECT_EQ(other.shape, weight->shape) << name;
    EXPECT_EQ(other.row_order, weight->row_order) << name;
    ASSERT_EQ(other.parts.size(), weight->parts.size()) << name;
    for (size_t i = 0; i < other.parts.size(); ++i) {
      EXPECT_EQ(other.parts[i].format(), weight->parts[i].format()) << name;
      EXPECT_TRUE(std::ranges::equal(other.parts[i].bytes(), weight->parts[i].bytes())) << name;
    }
  }
}

void run_everywhere(const models::OpenedModel& opened, const tensor::Weights& read, const TinyLlama& tiny,
                    std::span<const int32_t> tokens, bool* lively) {
  for (const auto& policy : {graph::NumericPolicy::standard(), graph::NumericPolicy::reference()}) {
    const graph::Graph oracle = test::with_casts(tiny.model.graph, tiny.weights, policy);
    const test::Values expected = test::interpreted(oracle, tiny.weights, tokens);
    for (const float v : expected[static_cast<size_t>(oracle.logits)])
      *lively = *lively || (v != 0.0f && v - v == 0.0f);
    const graph::Graph graph = test::with_casts(opened.model.graph, read, policy);
    for (const Isa isa : offered_isas()) {
      const auto runner = test::executor(graph, read, isa, 2);
      exec::Cache cache = runner->new_cache(static_cast<int64_t>(tokens.size()));
      test::Values taps;
      for (const auto part : {tokens.first(3), tokens.subspan(3)}) {
        const exec::Segment segment{part, &cache, static_cast<int64_t>(part.size())};
        test::run_tapped(*runner, {&segment, 1}, taps);
      }
      test::expect_same_values(graph, taps, expected, std::string(isa_name(isa)));
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(RandomFormats, FromCodesThroughAFileToLogits) {
  Rng rng(41);
  const io::test::TemporaryFolder folder;
  std::set<std::string> seen;
  int lively = 0;
  while (seen.size() < 200) {
    const formats::Format format = formats::sample_format(rng);
    const std::string text = formats::print(format);
    if (!seen.insert(text).second) continue;
    SCOPED_TRACE(text);
    for (const formats::Alias& alias : formats::aliases()) ASSERT_NE(text, alias.name);
    const auto parsed = formats::parse_format(text);
    ASSERT_TRUE(parsed.ok()) << parsed.message();
    ASSERT_EQ(*parsed, format);

    const test::TinyShape shape{40, 27, 1, 2, 1, 20, 19, rng.below(2) == 0};
    const TinyLlama tiny = test::tiny_llama(shape, text, rng);
    const std::string path = folder / "model.safetensors";
    write_native(path, tiny);
    if (HasFatalFailure()) return;
    const auto opened = models::open(path);
    ASSERT_TRUE(opened.ok()) << opened.message();
    ThreadPool loaders(2);
    const auto weights = models::load_weights(*opened, loaders);
    ASSERT_TRUE(weights.ok()) << weights.message();
    expect_same_weights(*weights, tiny.weights);
    bool finite = false;
    run_everywhere(*opened, *weights, tiny, test::random_tokens(7, shape.vocabulary, rng), &finite);
    if (HasFatalFailure()) return;
    lively += finite ? 1 : 0;
  }
  EXPECT_GT(lively, 180) << "most formats should give logits that are numbers and not all zero";
}

}  // namespace
}  // namespace lowbit

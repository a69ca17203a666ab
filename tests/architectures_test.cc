// A tiny random model of every architecture against what PyPI transformers computes (goldens/make_tiny_models.py).
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "quant/quantize.h"
#include "tiny_llama.h"

namespace lowbit {
namespace {

using graph::NumericPolicy;

const nlohmann::json& goldens() {
  static const nlohmann::json all = nlohmann::json::parse(std::ifstream("goldens/architectures/values.json"));
  return all;
}

std::vector<std::string> files() {
  std::vector<std::string> names;
  for (const auto& [name, value] : goldens().items()) names.push_back(name);
  return names;
}

class Architecture : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto opened = models::open("goldens/architectures/" + GetParam());
    ASSERT_TRUE(opened.ok()) << opened.message();
    opened_ = std::move(opened).value();
    ThreadPool pool(2);
    weights_ = models::load_weights(opened_, pool).value();
    golden_ = goldens().at(GetParam());
    tokens_ = golden_.at("ids").get<std::vector<int32_t>>();
  }

  // All rows that a pass gives.
  std::vector<float> run(const tensor::Weights& weights, const NumericPolicy& policy) const {
    const auto runner =
        test::executor(test::with_casts(opened_.model.graph, weights, policy), weights, active_isa(), 2);
    exec::Cache cache = runner->new_cache(static_cast<int64_t>(tokens_.size()));
    const exec::Segment segment{tokens_, &cache, static_cast<int64_t>(tokens_.size())};
    std::vector<float> rows;
    const Status status = runner->forward({&segment, 1}, rows);
    EXPECT_TRUE(status.ok()) << status.message();
    return rows;
  }

  // Root mean square and greatest distance from the golden values.
  std::pair<double, double> distance(const std::vector<float>& values) const {
    const auto rows = golden_.at("rows").get<std::vector<size_t>>();
    const auto expected = golden_.at("values").get<std::vector<std::vector<double>>>();
    const size_t width = values.size() / tokens_.size();
    double squares = 0.0, worst = 0.0, count = 0.0;
    for (size_t r = 0; r < rows.size(); ++r) {
      EXPECT_EQ(expected[r].size(), width);
      for (size_t i = 0; i < width; ++i) {
        const double d = std::fabs(static_cast<double>(values[rows[r] * width + i]) - expected[r][i]);
        squares += d * d;
        worst = std::max(worst, d);
        count += 1.0;
      }
    }
    return {std::sqrt(squares / count), worst};
  }
  double spread() const { return golden_.at("spread").get<double>(); }

  models::OpenedModel opened_;
  tensor::Weights weights_;
  nlohmann::json golden_;
  std::vector<int32_t> tokens_;
};

TEST_P(Architecture, ReferenceValuesAreWithinATenThousandthOfTheSpread) {
  const auto [mean, worst] = distance(run(weights_, NumericPolicy::reference()));
  EXPECT_LT(worst, 1e-4 * spread());
  EXPECT_GT(worst, 0.0);
}

// Scores stay when keys and queries are turned alike, and attention's output is turned back.
TEST_P(Architecture, ATurnedCacheChangesRoundingOnly) {
  const std::vector<float> plain = run(weights_, NumericPolicy::reference());
  for (const graph::KvHadamard sides : {graph::KvHadamard{true, false}, {false, true}, {true, true}}) {
    NumericPolicy policy = NumericPolicy::reference();
    policy.kv_hadamard = sides;
    const std::vector<float> turned = run(weights_, policy);
    EXPECT_NE(turned, plain);
    EXPECT_LT(distance(turned).second, 1e-4 * spread());
  }
}

// Under low precision too: the matrices are small integers, the activations int8.
tensor::Weights rounded(const tensor::Weights& weights, const std::string& format) {
  tensor::Weights result = weights;
  for (auto& [name, weight] : result) {
    if (weight->shape.size() < 2) continue;
    const std::vector<float> values = tensor::dequantize(*weight);
    const formats::Format wanted = test::format_of(format);
    tensor::Codes codes;
    const int64_t rows = weight->rows(), cols = weight->cols(), groups = (cols + 31) / 32;
    codes.scales.resize(1);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t begin = r * cols + g * 32, end = r * cols + std::min(cols, g * 32 + 32);
        float most = 0.0f;
        for (int64_t i = begin; i < end; ++i) most = std::max(most, std::fabs(values[static_cast<size_t>(i)]));
        const float largest = wanted.element.max_value();
        const float scale = tensor::stored_scale(wanted.levels[0].scale, most / largest);
        codes.scales[0].push_back(formats::encode(wanted.levels[0].scale, scale));
        for (int64_t i = begin; i < end; ++i) {
          const float v = scale > 0.0f ? values[static_cast<size_t>(i)] / scale : 0.0f;
          codes.codes.push_back(static_cast<uint16_t>(formats::encode(wanted.element, v)));
        }
      }
    }
    codes.minimums.resize(1);
    auto packed = std::make_shared<tensor::Weight>();
    packed->shape = weight->shape;
    packed->parts.push_back(tensor::PackedMatrix::allocate(wanted, rows, cols).value());
    tensor::pack_rows(codes, 0, rows, packed->parts[0]);
    weight = packed;
  }
  return result;
}

TEST_P(Architecture, ExecGivesTheBitsOfTheInterpreter) {
  for (const bool low : {false, true}) {
    const tensor::Weights weights = low ? rounded(weights_, "int4/32:f16") : weights_;
    const NumericPolicy policy = low ? NumericPolicy::standard() : NumericPolicy::reference();
    const graph::Graph graph = test::with_casts(opened_.model.graph, weights, policy);
    const test::Values expected = test::interpreted(graph, weights, tokens_);
    for (const Isa isa : offered_isas()) {
      for (const size_t chunk : {tokens_.size(), size_t{7}}) {
        if (opened_.model.encoder && chunk != tokens_.size()) continue;
        const auto runner = test::executor(graph, weights, isa, 2);
        exec::Cache cache = runner->new_cache(static_cast<int64_t>(tokens_.size()));
        test::Values taps;
        for (size_t begin = 0; begin < tokens_.size(); begin += chunk) {
          const auto part = std::span(tokens_).subspan(begin, std::min(chunk, tokens_.size() - begin));
          const exec::Segment segment{part, &cache, static_cast<int64_t>(part.size())};
          test::run_tapped(*runner, {&segment, 1}, taps);
        }
        test::expect_same_values(graph, taps, expected, fmt::format("{}, {}", isa_name(isa), chunk));
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Eight bits move the values by little, four by more.
TEST_P(Architecture, FewerBitsCostMore) {
  const double eight = distance(run(rounded(weights_, "int8/32:f16"), NumericPolicy::standard())).first;
  const double four = distance(run(rounded(weights_, "int4/32:f16"), NumericPolicy::standard())).first;
  EXPECT_LT(eight, 0.1 * spread());
  EXPECT_GT(four, eight);
  EXPECT_LT(four, spread());
}

// All matrices that are multiplied or looked up to one format, the rest as it is.
quant::Plan plan_of(const models::OpenedModel& opened, const std::string& format) {
  quant::Plan plan;
  for (const graph::Parameter& p : opened.model.graph.parameters) {
    quant::TensorPlan tensor{p.name, p.shape, {}};
    if (p.is_matrix() && quant::has_statistics(opened.model.graph, p.name)) {
      tensor.parts.push_back({test::format_of(format), tensor.rows(), false, "gptq"});
    } else {
      for (const io::TensorInfo::Part& part : opened.file->tensors()[opened.file->find(p.name)].parts) {
        tensor.parts.push_back({part.format, part.rows, true, ""});
      }
    }
    plan.tensors.push_back(std::move(tensor));
  }
  return plan;
}

// Calibration, GPTQ, a native file, and that file run.
TEST_P(Architecture, QuantizedToFourBits) {
  std::string folder = (std::filesystem::temp_directory_path() / "lowbit-architectures-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const quant::WorkFolder work = quant::WorkFolder::open(folder + "/work", "key").value();
  const auto pool = std::make_shared<ThreadPool>(2);
  Rng rng(71);
  std::vector<std::vector<int32_t>> chunks;
  for (int i = 0; i < 4; ++i) chunks.push_back(test::random_tokens(40, 64, rng));
  const Status calibrated = quant::calibrate(opened_, weights_, chunks, {}, pool, active_isa(), work);
  ASSERT_TRUE(calibrated.ok()) << calibrated.message();
  const quant::Plan plan = plan_of(opened_, "int4/32:f16");
  quant::QuantizeJob job;
  job.opened = &opened_;
  job.plan = &plan;
  job.work = &work;
  job.statistics = true;
  job.metadata = opened_.file->metadata();
  job.pool = pool.get();
  const std::string out = folder + "/out.safetensors";
  const auto outcome = quant::quantize(job, out);
  ASSERT_TRUE(outcome.ok()) << outcome.message();
  EXPECT_GT(outcome->loss, 0.0);
  const auto written = models::open(out);
  ASSERT_TRUE(written.ok()) << written.message();
  const tensor::Weights weights = models::load_weights(*written, *pool).value();
  EXPECT_LT(distance(run(weights, NumericPolicy::standard())).first, spread());
  std::filesystem::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Goldens, Architecture, testing::ValuesIn(files()), [](const auto& info) {
  std::string name = info.param.substr(0, info.param.find('.'));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Loading, ThreadsGiveTheSameWeightsAndTheFirstError) {
  auto opened = models::open("goldens/tiny-llama-mixed.gguf").value();
  ThreadPool one(1), four(4);
  const tensor::Weights expected = models::load_weights(opened, one).value();
  const tensor::Weights got = models::load_weights(opened, four).value();
  ASSERT_EQ(got.size(), expected.size());
  for (const auto& [name, weight] : expected) {
    EXPECT_TRUE(std::ranges::equal(got.at(name)->parts.at(0).bytes(), weight->parts.at(0).bytes())) << name;
  }
  auto& parameters = opened.model.graph.parameters;
  parameters[3].name = "nowhere";
  parameters[5].name = "neither";
  for (ThreadPool* pool : {&one, &four}) {
    const auto missing = models::load_weights(opened, *pool);
    ASSERT_FALSE(missing.ok());
    EXPECT_NE(missing.message().find("tensor nowhere is missing"), std::string::npos) << missing.message();
  }
}

}  // namespace
}  // namespace lowbit

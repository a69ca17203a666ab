#include "cost/fit.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <tuple>

#include "cost/known_limits.h"
#include "cost/shapes.h"

namespace lowbit::cost {
namespace {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lowbit-cost-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};

TEST(Fit, TinyByHand) {
  const models::Model model = build_shape(*find_shape("tiny").value()).value();
  MachineLimits limits;
  limits.read_bytes_per_s = 1e6;
  limits.int8_ops_per_s = 1e12;
  const formats::Format f = formats::parse_format("int4/32").value();
  const StoredParameters stored = {[](const std::string&) { return 1000.0; },
                                   [&](const std::string&) { return std::vector{f}; }};
  const Fit fit = fit_of(model, stored, graph::NumericPolicy::standard(), 1000, limits);
  // Two layers, keys and values of 32, two bytes, rounded up to 16 positions.
  EXPECT_EQ(fit.cache_bytes, 2u * 2 * 32 * 2 * 1008);
  // 15 matrices of 1000 bytes, and the keys and values of 501 tokens.
  EXPECT_NEAR(fit.decode_tokens_per_s, kDecodeShare * 1e6 / (15'000 + 2 * 2 * 32 * 2 * 501), 1e-6);
  EXPECT_GT(fit.prefill_tokens_per_s, 1000);
  EXPECT_GT(fit.scratch_bytes, 512u * 4 * (64 + 160 + 160));
  EXPECT_LT(fit.scratch_bytes, 512u * 4 * (64 * 8 + 160 * 8));
}

TEST(KnownLimits, AreMeasuredOnce) {
  const ScratchFolder folder;
  ThreadPool pool(1), two(2);
  LimitOptions options;
  options.bytes = 1 << 23;
  options.seconds = 0.001;
  const auto first = known_limits(Isa::portable, pool, folder.path + "/new", options);
  ASSERT_TRUE(first.ok()) << first.message();
  EXPECT_GT(first->read_bytes, 0u);
  const auto second = known_limits(Isa::portable, pool, folder.path + "/new", options);
  EXPECT_EQ(second->read_bytes, 0u) << "it was measured again";
  EXPECT_EQ(second->read_bytes_per_s, first->read_bytes_per_s);
  EXPECT_EQ(second->int8_ops_per_s, first->int8_ops_per_s);
  EXPECT_GT(known_limits(Isa::portable, two, folder.path + "/new", options)->read_bytes, 0u) << "other threads";
  EXPECT_EQ(known_limits(Isa::portable, pool, folder.path + "/new", options)->read_bytes, 0u) << "both are kept";
}

using kernels::KernelQuestion;

int known(KernelQuestion question, const std::string& folder) {
  return known_kernel_choice(active_isa(), question, 0, folder);
}

TEST(KnownLimits, KernelsAreChosenOnceToo) {
  const ScratchFolder folder;
  const std::string place = folder.path + "/new", path = place + "/limits.json";
  const int first = known(KernelQuestion::planes_many, place);
  EXPECT_TRUE(first >= 0 && first <= kernels::kMostPlanePairs) << first;
  const auto text = [&] {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const auto replace = [&](const std::string& from, const std::string& to) {
    std::string all = text();
    ASSERT_NE(all.find(from), std::string::npos) << all;
    std::ofstream(path) << all.replace(all.find(from), from.size(), to);
  };
  // What is kept counts, not what would be measured; numbers that cannot be do not.
  std::string many = fmt::format("\"planes_many\": {}", first);
  for (const int kept : {0, 4, 5, -1}) {
    replace(many, fmt::format("\"planes_many\": {}", kept));
    const int found = known(KernelQuestion::planes_many, place);
    EXPECT_TRUE(found == kept || kept < 0 || kept > 4) << found << " for " << kept;
    EXPECT_TRUE(found >= 0 && found <= kernels::kMostPlanePairs) << found;
    many = fmt::format("\"planes_many\": {}", found);
  }
  // Each question is kept beside the others, and by itself.
  EXPECT_EQ(text().find("bf16"), std::string::npos);
  for (size_t i = 0; i < std::size(kernels::kKernelQuestions); ++i) {
    const auto question = static_cast<KernelQuestion>(i);
    const auto entry = [&](int value) { return fmt::format("\"{}\": {}", kernels::row_of(question).name, value); };
    const int measured = known(question, place), other = measured == 0 ? 1 : 0;
    for (const auto& [from, kept] : {std::pair{measured, other}, {other, measured}}) {
      replace(entry(from), entry(kept));
      EXPECT_EQ(known(question, place), kept);
    }
  }
  EXPECT_NE(text().find(many), std::string::npos);
  EXPECT_GE(known(KernelQuestion::planes_few, "/proc/no-such-folder"), 0);
}

TEST(KnownLimits, AFileOfAnythingIsMeasuredAnew) {
  ThreadPool pool(1);
  LimitOptions options;
  options.bytes = 1 << 23;
  options.seconds = 0.001;
  for (const char* text : {"", "[1]", "{\"a\": 1}", "\xff\xfe"}) {
    const ScratchFolder folder;
    std::ofstream(folder.path + "/limits.json") << text;
    const auto limits = known_limits(Isa::portable, pool, folder.path, options);
    ASSERT_TRUE(limits.ok()) << limits.message();
    EXPECT_GT(limits->read_bytes, 0u);
  }
  EXPECT_TRUE(known_limits(Isa::portable, pool, "/proc/no-such-folder", options).ok());
}

}  // namespace
}  // namespace lowbit::cost

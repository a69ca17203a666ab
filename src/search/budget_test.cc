#include "search/budget.h"

#include <gtest/gtest.h>

#include <cmath>

#include "io/safetensors.h"

namespace lowbit::search {
namespace {

formats::Format format_of(const char* text) { return formats::parse_format(text).value(); }

quant::TensorPlan source_of(const std::string& name, int64_t rows, int64_t cols) {
  return {name, {rows, cols}, {{format_of("f16"), rows, true, ""}}};
}

// Two small matrices, one that is divided, and a vector; the more bits the less loss, rows of the first divisions
// matter most.
class BudgetTest : public testing::Test {
 protected:
  BudgetTest() {
    options_.candidates = {format_of("uint2/64:f16+zp"), format_of("uint4/64:f16+zp"), format_of("int8/32:f16")};
    options_.divide_rows = 1024;
    add(source_of("a.weight", 64, 64));
    add(source_of("b.weight", 96, 128));
    add(source_of("embd.weight", 2048, 256));
    input_.fixed.push_back({"norm", {71}, {{format_of("f32"), 1, true, ""}}});
    input_.order.push_back("norm");
    input_.method = "rtn";
    input_.metadata = &metadata_;
  }
  void add(const quant::TensorPlan& source) {
    auto sites = sites_of(source, options_);
    ASSERT_TRUE(sites.ok()) << sites.message();
    std::vector<double> losses;
    const auto fill = [&](const FormatSite& site) {
      for (const SiteChoice& choice : site.choices) {
        const double weight = site.first == 0 ? 1.0 : 0.01;
        losses.push_back(choice.keep ? 0.0 : weight * std::exp2(-2.0 * choice.format.element.bits));
      }
    };
    if (sites->divisions.empty()) fill(sites->whole);
    for (const FormatSite& site : sites->divisions) fill(site);
    ASSERT_TRUE(set_losses(losses, *sites));
    input_.parameters.push_back(*sites);
    input_.order.push_back(source.name);
  }
  Result<SearchResult> plan(const std::string& budget) { return plan_for_budget(input_, *parse_budget(budget)); }

  SensitivityOptions options_;
  nlohmann::json metadata_ = {{"general.architecture", "none"}};
  PlanInput input_;
};

TEST_F(BudgetTest, TheMethodReachesThePlan) {
  const auto found = plan("5bpw");
  ASSERT_TRUE(found.ok()) << found.message();
  for (const quant::TensorPlan& tensor : found->plan.tensors) {
    for (const quant::PartPlan& part : tensor.parts) EXPECT_EQ(part.method, part.keep ? "" : "rtn") << tensor.name;
  }
}

TEST_F(BudgetTest, EveryBudgetIsKeptAndMoreBytesLoseLess) {
  double last = 1e9;
  for (uint64_t bytes = 200000; bytes <= 1200000; bytes += 57321) {
    const auto found = plan(std::to_string(bytes) + "B");
    ASSERT_TRUE(found.ok()) << found.message();
    EXPECT_LE(found->file_bytes, bytes);
    const auto real = io::native_file_bytes(metadata_, found->plan.to_json(), found->plan.stored());
    EXPECT_EQ(found->file_bytes, *real);
    EXPECT_LE(found->predicted_kl, last);
    last = found->predicted_kl;
  }
  EXPECT_EQ(last, 0.0);
}

TEST_F(BudgetTest, DividesWhereThatIsBetter) {
  const auto found = plan("3bpw");
  ASSERT_TRUE(found.ok()) << found.message();
  EXPECT_TRUE(found->plan.find("embd.weight")->divided());
  EXPECT_FALSE(plan("1.2MB")->plan.find("embd.weight")->divided());
}

// What is said to be the least can be asked for, and a byte less cannot.
TEST_F(BudgetTest, TheLeastThatIsSaidCanBeHad) {
  const auto none = plan("100B");
  ASSERT_FALSE(none.ok());
  const std::string before = "the least is ";
  const size_t at = none.message().find(before);
  ASSERT_NE(at, std::string::npos) << none.message();
  const uint64_t least = std::stoull(none.message().substr(at + before.size()));
  const auto found = plan(std::to_string(least) + "B");
  ASSERT_TRUE(found.ok()) << found.message();
  EXPECT_EQ(found->file_bytes, least);
  EXPECT_FALSE(plan(std::to_string(least - 1) + "B").ok());
  const auto bits = plan("0.1bpw");
  ASSERT_FALSE(bits.ok());
  const size_t number = bits.message().find(before) + before.size();
  const auto again = plan(bits.message().substr(number) + "bpw");
  EXPECT_TRUE(again.ok()) << again.message();
}

TEST_F(BudgetTest, PlansThatAreWhollyFixedMustFitToo) {
  input_.parameters.clear();
  input_.fixed.push_back(source_of("a.weight", 64, 64));
  input_.fixed.push_back(source_of("b.weight", 96, 128));
  input_.fixed.push_back(source_of("embd.weight", 2048, 256));
  EXPECT_FALSE(plan("10kB").ok());
  EXPECT_FALSE(plan("4bpw").ok());
  EXPECT_TRUE(plan("1.2MB").ok());
}

TEST_F(BudgetTest, AskedForFormatsCountInTheLoss) {
  auto fixed = fixed_site(source_of("b.weight", 96, 128), format_of("uint2/64:f16+zp"));
  ASSERT_TRUE(fixed.ok());
  ASSERT_TRUE(set_losses(std::vector<double>{5.0}, *fixed));
  input_.parameters[1] = *fixed;
  input_.corrections["b.weight"] = 2.0;
  const auto found = plan("16bpw");
  ASSERT_TRUE(found.ok()) << found.message();
  EXPECT_EQ(found->predicted_kl, 10.0);
  EXPECT_EQ(formats::print(found->plan.find("b.weight")->parts[0].format), "uint2/64:f16+zp");
  for (const auto& uniform : found->uniform) EXPECT_GE(uniform.loss, 10.0);
}

TEST_F(BudgetTest, LossesThatAreNoNumbersAreAnError) {
  input_.parameters[0].whole.choices[0].loss = std::nan("");
  const auto found = plan("5bpw");
  ASSERT_FALSE(found.ok());
  EXPECT_NE(found.message().find("a.weight"), std::string::npos) << found.message();
}

}  // namespace
}  // namespace lowbit::search

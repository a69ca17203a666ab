#include "report/format_page.h"

#include <gtest/gtest.h>

#include "report/html.h"
#include "report/html_checker.h"

namespace lowbit::report {
namespace {

Json format(const char* name) {
  Json values = Json::array(), precision = Json::array(), errors = Json::array();
  for (int i = -3; i <= 3; ++i) values.push_back({{"code", i & 7}, {"value", i}});
  for (int e = 0; e < 3; ++e) precision.push_back({{"exponent", e}, {"values", 1}, {"step", 1.0 / (1 << e)}});
  for (const char* on : {"gaussian", "<b>.npy"}) {
    errors.push_back({{"on", on}, {"relative_mse", 0.01}, {"sqnr_db", 20.0}});
  }
  return {{"format", name},     {"bits_per_element", 3},  {"largest", 3},     {"least", -3},
          {"smallest", 1},      {"decibels", 9.5},        {"binades", 1.58},  {"ulp_at_one", 1},
          {"finite_values", 7}, {"precision", precision}, {"errors", errors}, {"values", values}};
}

Json advice() {
  Json ranked = Json::array();
  for (int i = 2; i < 9; ++i) {
    ranked.push_back(
        {{"format", "int" + std::to_string(i)}, {"bits", i}, {"sqnr_db", 6 * i}, {"pareto", i % 2 == 0}});
  }
  return {{"ranked", ranked},
          {"data", {{{"name", "a&b.npy"}, {"elements", 1000}, {"crest", 4.2}, {"block_crest", 2.1}}}}};
}

bool has_section(const std::string& page, const std::string& id) {
  return page.find("<section id=\"" + id + "\"") != std::string::npos;
}

TEST(FormatPage, ShowsFormats) {
  const Json results = {{"formats", {format("int3"), format("x<y>&\"z\"")}}};
  const std::string page = render_format_page(results);
  EXPECT_EQ(wrong_with(page), "");
  for (const char* id : {"range", "precision", "values", "errors"}) EXPECT_TRUE(has_section(page, id)) << id;
  EXPECT_FALSE(has_section(page, "advice"));
  // Two lines of the curve, seven strokes for each format, two keys.
  EXPECT_EQ(count(page, "<polyline class=\"s0\""), 1u);
  EXPECT_EQ(count(page, "<polyline class=\"s1\""), 1u);
  EXPECT_EQ(count(page, "<path class=\"s0\""), 7u);
  EXPECT_EQ(count(page, "<path class=\"s1\""), 7u);
  EXPECT_NE(page.find("<h1>int3, x&lt;y&gt;&amp;&quot;z&quot;</h1>"), std::string::npos);
  EXPECT_NE(page.find("prefers-color-scheme: dark"), std::string::npos);
  for (const char* way : {"src=", "url(", "@import", "<link", "<img", "http://", "https://"}) {
    EXPECT_EQ(page.find(way), std::string::npos) << way;
  }
  EXPECT_EQ(page, render_format_page(results));
}

TEST(FormatPage, WideRangesHaveALogarithmicLine) {
  Json wide = format("wide");
  wide["values"].push_back({{"code", 9}, {"value", 1e6}});
  const std::string page = render_format_page({{"formats", {wide}}});
  EXPECT_EQ(wrong_with(page), "");
  // 8 values, and 1 2 3 1e6 again.
  EXPECT_EQ(count(page, "<path class=\"s0\""), 12u);
}

TEST(FormatPage, ShowsAdvice) {
  const std::string page = render_format_page(advice());
  EXPECT_EQ(wrong_with(page), "");
  EXPECT_TRUE(has_section(page, "advice"));
  EXPECT_TRUE(has_section(page, "front"));
  EXPECT_FALSE(has_section(page, "range"));
  EXPECT_EQ(count(page, "<i class=\"dot low\""), 4u);
  EXPECT_EQ(count(page, "<i class=\"dot low hollow\""), 3u);
  EXPECT_NE(page.find("<h1>Formats for a&amp;b.npy</h1>"), std::string::npos);
}

// Every value replaced by something else, one after another.
void mutate(const Json& whole, Json& changed, Json& node) {
  if (node.is_structured()) {
    for (Json& item : node) mutate(whole, changed, item);
  }
  const Json kept = node;
  for (const Json& other :
       {Json(), Json("<text"), Json(-1e300), Json(0), Json::array(), Json{{"a", 1}}, Json(true)}) {
    node = other;
    ASSERT_EQ(wrong_with(render_format_page(changed)), "") << other.dump();
  }
  node = kept;
}

TEST(FormatPage, LeavesOutWhatItDoesNotUnderstand) {
  Json results = advice();
  results["formats"] = {format("int3")};
  Json changed = results;
  mutate(results, changed, changed);
  for (const Json& nothing : {Json(), Json::object(), Json::array(), Json("text"), Json(3)}) {
    EXPECT_EQ(wrong_with(render_format_page(nothing)), "");
  }
}

}  // namespace
}  // namespace lowbit::report

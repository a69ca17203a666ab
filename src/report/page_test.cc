#include "report/page.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <set>

#include "base/rng.h"
#include "report/html.h"
#include "report/html_checker.h"
#include "report/plot.h"
#include "text/utf8.h"

namespace lowbit::report {
namespace {

Json example() {
  std::ifstream file("src/report/testdata/example.json");
  return Json::parse(file);
}

bool has_section(const std::string& page, const std::string& id) {
  return page.find("<section id=\"" + id + "\"") != std::string::npos;
}

// Which section goes when its data goes.
const std::pair<const char*, const char*> kSections[] = {
    {"answers", "answers"}, {"worst", "worst"}, {"histograms", "histograms"}, {"curve", "pareto"},
    {"text", "chunks"},     {"map", "tensors"}, {"kinds", "tensors"},         {"tensors", "tensors"},
};

TEST(Checker, CanFail) {
  EXPECT_EQ(wrong_with("<!DOCTYPE html><p a=\"1\" hidden>x &amp; y<wbr></p>"), "");
  for (const char* bad :
       {"<!DOCTYPE html><p>", "<!DOCTYPE html><p></b>", "<!DOCTYPE html>a & b", "<!DOCTYPE html>a > b",
        "<!DOCTYPE html><p a=x></p>", "<!DOCTYPE html><p a=\"<\"></p>", "<p></p>"}) {
    EXPECT_NE(wrong_with(bad), "") << bad;
  }
}

TEST(Page, HasAllSectionsOfTheExample) {
  const std::string page = render_page(example());
  if (const char* path = std::getenv("LOWBIT_REPORT_PAGE")) std::ofstream(path) << page;
  EXPECT_EQ(wrong_with(page), "");
  for (const auto& [id, key] : kSections) EXPECT_TRUE(has_section(page, id)) << id;
  for (const char* id : {"figures", "origin", "raw"}) EXPECT_TRUE(has_section(page, id)) << id;
  EXPECT_NE(page.find("An example: none of these numbers was measured."), std::string::npos);
  EXPECT_NE(page.find("<h1>SmolLM2-135M from 98.4\xC2\xA0MB to "), std::string::npos);
  EXPECT_NE(page.find("85\xC2\xA0% of next tokens unchanged"), std::string::npos);
  // Three maps of 30 layers by 7 kinds; the embedding apart in four parts.
  EXPECT_EQ(count(page, "<i style=\"--k:"), 3u * 210u);
  EXPECT_EQ(count(page, "<i style=\"flex-grow:"), 4u);
  EXPECT_EQ(count(page, "<tr><td>"), example()["tensors"].size());
  EXPECT_EQ(count(page, "class=\"panel worst\""), example()["worst"].size());
  EXPECT_EQ(page, render_page(example()));
}

// The example as if its model were an encoder: the same numbers, and nowhere the word of a decoder's loss.
Json encoder_example() {
  Json results = example();
  for (const char* key : {"chunks", "worst", "answers"}) results.erase(key);
  results["predicted_cosine_loss"] = results["predicted_kl"];
  results.erase("predicted_kl");
  results["measured"] = {{"cosine_mean", 0.75}, {"cosine_min", 0.5}, {"neighbour_agreement", 0.9}, {"texts", 12}};
  results["notes"] = Json::array();
  return results;
}

TEST(Page, SaysCosineLossOfAnEncoder) {
  Json results = encoder_example();
  const auto text_of = [](const Json& r) {
    const std::string page = render_page(r);
    EXPECT_EQ(wrong_with(page), "");
    return page.substr(0, page.find("<section id=\"raw\""));
  };
  const std::string page = text_of(results);
  EXPECT_EQ(page.find("KL"), std::string::npos) << page.substr(page.find("KL") - 60, 120);
  EXPECT_EQ(page.find("nats"), std::string::npos);
  for (const char* says : {"<p class=\"sub\">cosine loss 0.25</p>", "<h3>Cosine loss, 1 - cosine</h3>", "most 0.500",
                           "Cosine loss, 1 - cosine of the sentence vectors; a logarithmic scale",
                           "measured cosine loss 0.250", "adds to the predicted cosine loss", ", cosine loss 0."}) {
    EXPECT_NE(page.find(says), std::string::npos) << says;
  }
  // Before anything is measured, and where even the prediction is missing.
  results["measured"] = Json::object();
  EXPECT_NE(text_of(results).find("<p class=\"sub\">predicted cosine loss "), std::string::npos);
  results["predicted_cosine_loss"] = nullptr;
  EXPECT_EQ(text_of(results).find("KL"), std::string::npos);
  EXPECT_EQ(text_of(example()).find("osine"), std::string::npos);
}

TEST(Page, LoadsNothingFromOutside) {
  const std::string page = render_page(example());
  for (const char* way :
       {"src=", "url(", "@import", "<link", "<img", "<iframe", "fetch(", "XMLHttp", "http://", "https://"}) {
    EXPECT_EQ(page.find(way), std::string::npos) << way;
  }
}

TEST(Page, LeavesOutWhatIsMissing) {
  for (const auto& [id, key] : kSections) {
    Json results = example();
    results.erase(key);
    const std::string page = render_page(results);
    EXPECT_FALSE(has_section(page, id)) << id;
    EXPECT_EQ(wrong_with(page), "") << key;
    results[key] = Json::array();
    EXPECT_FALSE(has_section(render_page(results), id)) << id;
  }
  for (const Json& nothing : {Json(), Json::object(), Json::array(), Json("text"), Json(3)}) {
    const std::string page = render_page(nothing);
    EXPECT_EQ(wrong_with(page), "");
    EXPECT_TRUE(has_section(page, "raw"));
    EXPECT_FALSE(has_section(page, "figures"));
  }
}

// Every value below a node (of lists the first), one after another, replaced by something else.
void mutate(Json& whole, Json& node, const std::vector<Json>& others, size_t& steps, const std::string& path) {
  if (node.is_structured()) {
    size_t n = 0;
    for (auto it = node.begin(); it != node.end() && (node.is_object() || n < 1); ++it, ++n) {
      mutate(whole, *it, others, steps, path + "/" + (node.is_object() ? it.key() : std::to_string(n)));
    }
  }
  const Json kept = node;
  for (const Json& other : others) {
    node = other;
    ++steps;
    ASSERT_EQ(wrong_with(render_page(whole)), "")
        << path << " = " << other.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  node = kept;
}

Json small_example() {
  Json results = example();
  for (const char* key : {"tensors", "chunks", "pareto", "histograms", "worst"}) {
    Json& list = results[key];
    while (list.size() > 3) list.erase(list.size() - 1);
  }
  return results;
}

TEST(Page, SurvivesValuesOfAnyKind) {
  Json results = small_example();
  const double most = std::numeric_limits<double>::max();
  const std::vector<Json> others = {nullptr,
                                    -1,
                                    0,
                                    most,
                                    -most,
                                    std::nan(""),
                                    5e-324,
                                    "text",
                                    Json::array({1, "a"}),
                                    Json::object({{"name", 1}}),
                                    true,
                                    "\xFF\x80<"};
  size_t steps = 0;
  for (auto it = results.begin(); it != results.end(); ++it) mutate(results, it.value(), others, steps, it.key());
  EXPECT_GT(steps, 500u);
}

void poison(Json& node, const std::string& text) {
  if (node.is_string()) node = node.get<std::string>() + text;
  if (node.is_structured()) {
    for (Json& item : node) poison(item, text);
  }
}

TEST(Page, EscapesEveryText) {
  const std::string clean = render_page(small_example());
  for (const std::string& text :
       {std::string("</script><script>alert(1)</script>"), std::string("\"><img src=x onerror=y>"),
        std::string("<!--"), std::string("' onload='x"), std::string("]]>&lt;"), std::string("\xFF\xC3("),
        std::string("a\0b\x1B[2J", 7)}) {
    Json results = small_example();
    poison(results, text);
    results["versions"]["<b>" + text] = text;  // keys too
    const std::string page = render_page(results);
    Checker checker(page);
    ASSERT_EQ(checker.run(), "") << text;
    EXPECT_EQ(checker.names().count("img"), 0u);
    EXPECT_EQ(count(page, "<script"), count(clean, "<script"));
    EXPECT_EQ(count(page, "</script"), count(clean, "</script"));
    EXPECT_EQ(count(page, "<!--"), 0u);
    EXPECT_EQ(page, text::repair_utf8(page));
    EXPECT_EQ(page.find('\0'), std::string::npos);
    EXPECT_EQ(page.find('\x1B'), std::string::npos);
  }
}

TEST(Page, HoldsItsData) {
  Json results = example();
  results["title"] = "</script> & <b> \u2603";
  const std::string page = render_page(results);
  const std::string begin = "<script type=\"application/json\" id=\"results\">";
  const size_t at = page.find(begin) + begin.size();
  EXPECT_EQ(Json::parse(page.substr(at, page.find("</script>", at) - at)), results);
}

TEST(Html, Figures) {
  EXPECT_EQ(figure(0.0), "0");
  EXPECT_EQ(figure(0.05124), "0.0512");
  EXPECT_EQ(figure(23.5358, 4), "23.54");
  EXPECT_EQ(figure(1840.4), "1840");
  EXPECT_EQ(figure(1.2e-7, 2), "1.2e-7");
  EXPECT_EQ(figure(-2.5),
            "\xE2\x88\x92"
            "2.50");
  EXPECT_EQ(short_figure(60.0), "60");
  EXPECT_EQ(short_figure(0.1), "0.1");
  EXPECT_EQ(short_figure(4.25), "4.25");
  EXPECT_EQ(short_figure(1e-7), "1e-7");
  EXPECT_EQ(short_figure(100.0), "100");
  EXPECT_EQ(size_text(98386000.0), "98.4\xC2\xA0MB");
  EXPECT_EQ(size_text(999.0),
            "999\xC2\xA0"
            "bytes");
  EXPECT_EQ(grouped(134515008.0),
            "134\xE2\x80\xAF"
            "515\xE2\x80\xAF"
            "008");
  EXPECT_EQ(percent(0.8461), "84.6\xC2\xA0%");
  EXPECT_EQ(change(100.0, 77.3),
            "\xE2\x88\x92"
            "22.7\xC2\xA0%");
  EXPECT_EQ(escape("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  EXPECT_EQ(visible(" a\n"),
            "\xE2\x90\xA3"
            "a\xE2\x8F\x8E");
}

TEST(Plot, TicksAreRoundAndWithin) {
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    Axis axis;
    axis.low = (rng.uniform() - 0.5) * 1000.0;
    axis.high = axis.low + rng.uniform() * (i % 2 ? 1e-3 : 1e6) + 1e-6;
    axis.logarithmic = i % 3 == 0;
    if (axis.logarithmic) {
      axis.low = rng.uniform() + 1e-6;
      axis.high = axis.low * (1.5 + rng.uniform() * 1e4);
    }
    const auto ticks = axis.ticks(5);
    EXPECT_LE(ticks.size(), 8u);
    for (const double tick : ticks) {
      EXPECT_GE(axis.position(tick), -0.01);
      EXPECT_LE(axis.position(tick), 1.01);
    }
  }
  EXPECT_EQ((Axis{0.0, 60.0, false, ""}).ticks(6), (std::vector<double>{0, 10, 20, 30, 40, 50, 60}));
}

}  // namespace
}  // namespace lowbit::report

// Equality with jinja2 for every template of goldens/chat-templates.json.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "text/jinja/template.h"

namespace lowbit::text::jinja {
namespace {

using Json = nlohmann::ordered_json;

const Json& golden() {
  static const Json out = [] {
    std::ifstream file("goldens/chat-templates.json");
    return Json::parse(file);
  }();
  return out;
}

std::tm golden_time() {
  std::tm out = {};
  const auto text = golden()["now"].get<std::string>();
  EXPECT_NE(strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &out), nullptr);
  return out;
}

Result<std::string> render(const std::string& source, const Json& variables) {
  auto parsed = Template::parse(source);
  if (!parsed.ok()) return parsed.error();
  return parsed->render(variables, golden_time());
}

void expect_same(const std::string& source, const Json& variables, const Json& expected) {
  const auto found = render(source, variables);
  if (expected.is_null()) {
    EXPECT_FALSE(found.ok()) << "jinja2 refuses this; here it gives: " << (found.ok() ? *found : "");
    EXPECT_TRUE(found.ok() || found.message().starts_with("line ")) << found.message();
  } else {
    ASSERT_TRUE(found.ok()) << found.message() << "\njinja2 gives: " << expected.get<std::string>();
    EXPECT_EQ(*found, expected.get<std::string>());
  }
}

TEST(JinjaGolden, Snippets) {
  ASSERT_GE(golden()["snippets"].size(), 600u);
  for (const Json& row : golden()["snippets"]) {
    SCOPED_TRACE(row[0].get<std::string>());
    expect_same(row[0].get<std::string>(), golden()["variables"], row[1]);
  }
}

TEST(JinjaGolden, ChatTemplates) {
  ASSERT_GE(golden()["templates"].size(), 25u);
  for (const Json& row : golden()["cases"]) {
    const auto name = row[0].get<std::string>(), conversation = row[1].get<std::string>();
    SCOPED_TRACE(name + ", " + conversation);
    Json variables = {{"add_generation_prompt", false}, {"tools", nullptr}, {"documents", nullptr}};
    variables.update(golden()["common"]);
    variables.update(golden()["conversations"][conversation]);
    expect_same(golden()["templates"][name].get<std::string>(), variables, row[2]);
  }
}

}  // namespace
}  // namespace lowbit::text::jinja

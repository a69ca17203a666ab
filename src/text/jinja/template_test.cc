#include "text/jinja/template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace lowbit::text::jinja {
namespace {

std::string result(const std::string& source, const Limits& limits = {}) {
  const auto parsed = Template::parse(source);
  if (!parsed.ok()) return parsed.message();
  const auto out = parsed->render({{"a", {1, 2, 3}}}, std::tm{}, limits);
  return out.ok() ? *out : out.message();
}

std::string repeat(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

TEST(JinjaTemplate, HostileTemplatesEndWithALine) {
  constexpr const char* kSteps = "the template takes too many steps";
  constexpr const char* kMemory = "the template takes too much memory";
  const Limits limits{.steps = 100'000, .bytes = 1 << 20, .output = 1 << 20, .depth = 1500};
  const std::pair<std::string, std::string> cases[] = {
      {"\n{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}", kSteps},
      {"\n{% set r = range(100) %}{% for i in r %}{% for j in r %}{% for k in r %}{% endfor %}{% endfor %}{% endfor "
       "%}",
       kSteps},
      {"\n{{ 'x' * 1000000000 }}", kMemory},
      {"\n{{ [1] * 1000000000000000000 }}", kMemory},
      {"\n{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}", kMemory},
      {"\n{% set n = namespace(x=[]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x == [1] "
       "}}{{ n.x }}",
       kSteps},
      {"\n{% set n = namespace(x=[]) %}{% for i in range(999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
       "a value is nested too deeply"},
      {"\n{% set n = namespace() %}{% set n.n = n %}{{ n }}", "a value is nested too deeply"},
      {"\n{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "the template calls itself too deeply"},
      {"\n{% for i in range(9) recursive %}{{ loop(range(9)) }}{% endfor %}", "the template calls itself too deeply"},
      {"\n{{ 'ab' | indent(1000000000) }}", kMemory},
      {"\n{{ 'ab'.center(1000000000) }}", kMemory},
      {"\n{{ a | batch(1000000000, 1) | list }}", kMemory},
      {"\n{{ a | slice(1000000000) | list }}", kMemory},
      {"\n{{ range(1000000) }}", "a range has more than 100000 items"},
      {"\n{{ '%999999d' % 1 }}", ""},
      {"\n{{ '{:>9999999}'.format(1) }}", "a format is too wide"},
      {"\n{{ " + repeat("(", 5000) + "1" + repeat(")", 5000) + " }}", "the template is nested too deeply"},
      {"\n{{ " + repeat("not ", 5000) + "1 }}", "the template is nested too deeply"},
      {"\n{{ " + repeat("-", 5000) + "1 }}", "the template is nested too deeply"},
      {"\n{{ 1" + repeat(" + 1", 5000) + " }}", "an expression is nested too deeply"},
      {"\n{{ a" + repeat("[0]", 5000) + " }}", "an expression is nested too deeply"},
      {"\n" + repeat("{% if 1 %}", 5000), "the template is nested too deeply"},
      {"\n{{ 9223372036854775807 + 1 }}", "a number does not fit 64 bits"},
      {"\n{{ (-9223372036854775807 - 1) // -1 }}", "a number does not fit 64 bits"},
      {"\n{{ 10 ** 100 }}", "a number does not fit 64 bits"},
      {"\n{{ 99999999999999999999 }}", "99999999999999999999 is no 64-bit number"},
      {"\n{{ x.y.z }}", "\"x\" is undefined, so it has no \"y\""},
      {"\n{{ a | nofilter }}", "the filter \"nofilter\" is not known"},
      {"\n{% include 'x' %}", "the tag \"include\" is not known here"},
  };
  for (const auto& [source, problem] : cases) {
    const std::string found = result(source, limits);
    EXPECT_TRUE(found.starts_with("line 2: " + problem)) << source.substr(0, 100) << ": " << found;
  }
}

TEST(JinjaTemplate, LongTemplatesAndTextsThatNestNothing) {
  EXPECT_EQ(result(repeat("{% if 1 %}x{% endif %}", 5000)), repeat("x", 5000));
  EXPECT_EQ(result("{{ ''" + repeat(" ~ 'y'", 5000) + " }}"), repeat("y", 5000));
}

TEST(JinjaTemplate, DamagedTextStays) {
  EXPECT_EQ(result("\xff{{ '\xc3' ~ '\xa9' }}\xe2\x82{{ '\xff' | length }}{{ ['\xff'] }}"),
            "\xff\xc3\xa9\xe2\x82"
            "1['\xff']");
}

}  // namespace
}  // namespace lowbit::text::jinja

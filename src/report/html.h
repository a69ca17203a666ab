// Pieces of HTML: escaping, numbers as people read them, and tolerant reading of the results.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lowbit::report {

using Json = nlohmann::json;

// Text for element content and double-quoted attributes. Broken UTF-8 and control characters (but newline and tab)
// become U+FFFD.
std::string escape(std::string_view text);

// A token or fragment with its white space made visible (space, newline, tab), escaped.
std::string visible(std::string_view text);

// --- Results. Whatever is missing or of another type reads as absent; nothing throws. ---

// The member of an object, else null.
const Json& member(const Json& object, const char* key);
// The items of an array member, else none.
const Json& items(const Json& object, const char* key);
// A finite number of at most 1e100 in magnitude.
std::optional<double> number(const Json& object, const char* key);
// A string, or a number or boolean written out; else empty. Not escaped.
std::string words(const Json& object, const char* key);
// An array of such numbers; other entries are left out.
std::vector<double> numbers(const Json& object, const char* key);

// --- Numbers as text ---

// Significant digits without needless zeros: 0.0512, 23.5, 1840, 1.2e-5.
std::string figure(double value, int digits = 3);
// The same without zeros at the end of a fraction, for scales and cells: 60, 0.1, 4.25.
std::string short_figure(double value, int digits = 3);
// Decimal units: 98.4 MB, 812 kB, 1.23 GB.
std::string size_text(double bytes);
// 134 515 008 with narrow no-break spaces.
std::string grouped(double value);
// 0.846 -> 84.6 %
std::string percent(double share, int decimals = 1);
// A relative change with its sign: +5.2 %, −22.7 %.
std::string change(double before, double after);

// A section with a heading, an explanation and a body; empty where the body is empty. The heading and the
// explanation are HTML.
std::string section(std::string_view id, std::string_view heading, std::string_view explanation, std::string body);

}  // namespace lowbit::report

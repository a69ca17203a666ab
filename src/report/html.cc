#include "report/html.h"

#include <fmt/format.h>

#include <cmath>

#include "text/utf8.h"

namespace lowbit::report {
namespace {

constexpr std::string_view kMinus = "\xE2\x88\x92";
constexpr double kMostNumber = 1e100;  // of anything on the page; sums and ratios of such stay finite
constexpr std::string_view kNarrowSpace = "\xE2\x80\xAF";

// Escaped characters, each passed through `show` first: what it returns instead, or nothing.
template <class Show>
std::string escape_with(std::string_view text, Show show) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const auto step = text::utf8_step(text);
    const std::string_view bytes = text.substr(0, step.length);
    text.remove_prefix(step.length);
    const auto byte = static_cast<unsigned char>(bytes[0]);
    if (const std::string_view shown = show(bytes); !shown.empty()) {
      out += shown;
    } else if (step.kind != text::Utf8Kind::character || byte == 0x7F ||
               (byte < 0x20 && byte != '\n' && byte != '\t')) {
      out += text::kReplacementCharacter;
    } else if (byte == '&') {
      out += "&amp;";
    } else if (byte == '<') {
      out += "&lt;";
    } else if (byte == '>') {
      out += "&gt;";
    } else if (byte == '"') {
      out += "&quot;";
    } else if (byte == '\'') {
      out += "&#39;";
    } else {
      out += bytes;
    }
  }
  return out;
}

}  // namespace

std::string escape(std::string_view text) {
  return escape_with(text, [](std::string_view) { return std::string_view(); });
}

std::string visible(std::string_view text) {
  return escape_with(text, [](std::string_view c) -> std::string_view {
    if (c == " ") return "\xE2\x90\xA3";   // open box
    if (c == "\n") return "\xE2\x8F\x8E";  // return symbol
    if (c == "\t") return "\xE2\x87\xA5";  // rightwards arrow to bar
    return {};
  });
}

const Json& member(const Json& object, const char* key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

const Json& items(const Json& object, const char* key) {
  static const Json none = Json::array();
  const Json& found = member(object, key);
  return found.is_array() ? found : none;
}

std::optional<double> number(const Json& object, const char* key) {
  const Json& found = member(object, key);
  if (!found.is_number()) return std::nullopt;
  const double value = found.get<double>();
  return std::abs(value) <= kMostNumber ? std::optional(value) : std::nullopt;
}

std::string words(const Json& object, const char* key) {
  const Json& found = member(object, key);
  if (found.is_string()) return found.get_ref<const std::string&>();
  if (found.is_number_integer() || found.is_boolean()) return found.dump();
  if (found.is_number()) return figure(found.get<double>(), 6);
  return {};
}

std::vector<double> numbers(const Json& object, const char* key) {
  std::vector<double> result;
  for (const Json& item : items(object, key)) {
    if (item.is_number() && std::abs(item.get<double>()) <= kMostNumber) result.push_back(item.get<double>());
  }
  return result;
}

std::string figure(double value, int digits) {
  const double magnitude = std::abs(value);
  if (value == 0.0) return "0";
  if (!std::isfinite(value)) return "not finite";
  std::string text;
  if (magnitude >= 1e7 || magnitude < 1e-4) {
    text = fmt::format("{:.{}e}", value, digits - 1);
    const size_t e = text.find('e');
    text = fmt::format("{}e{}", text.substr(0, e), std::stoi(text.substr(e + 1)));
  } else {
    const int before = static_cast<int>(std::floor(std::log10(magnitude))) + 1;
    text = fmt::format("{:.{}f}", value, std::max(0, digits - before));
  }
  if (text[0] == '-') text = std::string(kMinus) + text.substr(1);
  return text;
}

std::string short_figure(double value, int digits) {
  std::string text = figure(value, digits);
  if (text.find('.') == std::string::npos) return text;
  const size_t e = text.find('e');
  std::string fraction = text.substr(0, e);
  while (fraction.back() == '0') fraction.pop_back();
  if (fraction.back() == '.') fraction.pop_back();
  return e == std::string::npos ? fraction : fraction + text.substr(e);
}

std::string size_text(double bytes) {
  struct Unit {
    double size;
    const char* name;
  };
  for (const Unit unit : {Unit{1e9, "GB"}, Unit{1e6, "MB"}, Unit{1e3, "kB"}}) {
    if (bytes >= unit.size) return fmt::format("{}\xC2\xA0{}", figure(bytes / unit.size), unit.name);
  }
  return fmt::format(
      "{:.0f}\xC2\xA0"
      "bytes",
      bytes);
}

std::string grouped(double value) {
  if (!(std::abs(value) < 1e15)) return figure(value);
  const std::string digits = fmt::format("{:.0f}", std::abs(value));
  std::string out = value <= -0.5 ? std::string(kMinus) : "";
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += kNarrowSpace;
    out += digits[i];
  }
  return out;
}

std::string percent(double share, int decimals) { return fmt::format("{:.{}f}\xC2\xA0%", 100.0 * share, decimals); }

std::string change(double before, double after) {
  if (before == 0.0) return {};
  const double relative = 100.0 * (after / before - 1.0);
  return fmt::format("{}{:.1f}\xC2\xA0%", relative < 0 ? kMinus : "+", std::abs(relative));
}

std::string section(std::string_view id, std::string_view heading, std::string_view explanation, std::string body) {
  if (body.empty()) return {};
  const std::string lead = explanation.empty() ? "" : fmt::format("<p class=\"lead\">{}</p>\n", explanation);
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}{}\n</section>\n", id, heading, lead, body);
}

}  // namespace lowbit::report

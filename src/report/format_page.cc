#include "report/format_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "report/html.h"
#include "report/plot.h"
#include "report/sections.h"

namespace lowbit::report {
namespace {

constexpr size_t kMostFormats = 16;
constexpr size_t kSeries = 8;          // colours of the style sheet; they come again after that
constexpr size_t kMostStrokes = 1024;  // values on a line
constexpr size_t kMostAdvised = 200;
constexpr double kWideRange = 100.0;  // largest to smallest positive value: a logarithmic line too

std::string series(size_t i) { return fmt::format("s{}", i % kSeries); }
std::string plain(double value) { return short_figure(value, 3); }
std::string none(double) { return {}; }
std::string power(double exponent) { return fmt::format("2<sup>{}</sup>", short_figure(exponent, 5)); }

std::string shown(const Json& object, const char* name) {
  const auto value = number(object, name);
  return value ? short_figure(*value, 5) : escape(words(object, name));
}

std::vector<const Json*> formats_of(const Json& results) {
  std::vector<const Json*> formats;
  for (const Json& item : items(results, "formats")) {
    if (item.is_object() && formats.size() < kMostFormats) formats.push_back(&item);
  }
  return formats;
}

std::string title_of(const Json& results) {
  std::vector<std::string> names;
  for (const Json* item : formats_of(results)) names.push_back(words(*item, "format"));
  if (!names.empty()) return fmt::format("{}", fmt::join(names, ", "));
  const Json& data = items(results, "data");
  return data.empty() ? "Number formats" : "Formats for " + words(data.front(), "name");
}

std::string keys_of(const std::vector<const Json*>& formats) {
  if (formats.size() < 2) return {};
  std::string keys;
  for (size_t i = 0; i < formats.size(); ++i) {
    keys += fmt::format("<span><i class=\"{}\"></i>{}</span>", series(i), escape(words(*formats[i], "format")));
  }
  return fmt::format("<p class=\"keys\">{}</p>\n", keys);
}

std::string cell(std::string_view text) { return fmt::format("<td class=\"n\">{}</td>", text); }

std::string table_section(const std::vector<const Json*>& formats) {
  struct Fact {
    const char *key, *title;
  };
  constexpr Fact kFacts[] = {{"bits_per_element", "bits"},
                             {"largest", "largest"},
                             {"least", "least"},
                             {"smallest", "smallest positive"},
                             {"decibels", "range, dB"},
                             {"binades", "binades"},
                             {"ulp_at_one", "step above 1"},
                             {"significant_bits", "significant bits"},
                             {"finite_values", "finite values"}};
  std::string head = "<th>format</th>", body;
  for (const Fact& fact : kFacts) head += fmt::format("<th class=\"n\">{}</th>", fact.title);
  for (const Json* item : formats) {
    body += fmt::format("<tr><td>{}</td>", escape(words(*item, "format")));
    for (const Fact& fact : kFacts) body += cell(shown(*item, fact.key));
    body += "</tr>\n";
  }
  if (body.empty()) return {};
  return section(
      "range", "Range", "",
      fmt::format("<div class=\"scroll\"><table><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>\n", head,
                  body));
}

// Significant bits over the magnitude: 1 - log2(relative step) of each binade.
struct Curve {
  std::vector<double> exponents, bits;
};
Curve precision_of(const Json& format) {
  Curve curve;
  for (const Json& binade : items(format, "precision")) {
    const auto exponent = number(binade, "exponent");
    const auto step = number(binade, "step");
    if (!exponent || !step || !(*step > 0.0)) continue;
    // Level over its binade.
    for (const double end : {0.0, 1.0}) {
      curve.exponents.push_back(*exponent + end);
      curve.bits.push_back(1.0 - std::log2(*step));
    }
  }
  return curve;
}

std::string precision_section(const std::vector<const Json*>& formats) {
  std::vector<Curve> curves;
  std::vector<double> xs, ys;
  for (const Json* item : formats) {
    const Curve& curve = curves.emplace_back(precision_of(*item));
    xs.insert(xs.end(), curve.exponents.begin(), curve.exponents.end());
    ys.insert(ys.end(), curve.bits.begin(), curve.bits.end());
  }
  if (xs.empty()) return {};
  Plot plot(axis_over(xs, false, false, "Magnitude"), axis_over(ys, true, false, "Significant bits"), 300);
  for (size_t i = 0; i < curves.size(); ++i) plot.line(curves[i].exponents, curves[i].bits, series(i));
  return section("precision", "Precision over magnitude",
                 "How finely a format divides each factor of two: one bit more halves the relative step between "
                 "neighbours.",
                 plot.html(power, plain, 8) + keys_of(formats));
}

// Strokes at sorted values, each with its own stretch of tips.
std::string strokes(const std::vector<double>& values, bool logarithmic, size_t index) {
  Axis x;
  x.low = values.front();
  x.high = values.back();
  x.logarithmic = logarithmic;
  const auto between = [&](size_t i) {
    return logarithmic ? std::sqrt(values[i]) * std::sqrt(values[i + 1]) : (values[i] + values[i + 1]) / 2.0;
  };
  Plot plot(x, Axis(), 46);
  for (const double value : values) plot.stroke(value, 0.9, series(index));
  for (size_t i = 0; i < values.size(); ++i) {
    plot.hover(i == 0 ? x.low : between(i - 1), i + 1 == values.size() ? x.high : between(i),
               short_figure(values[i], 8));
  }
  return plot.html(plain, none, 6, 1);
}

std::string number_line(const Json& format, size_t index) {
  std::vector<double> values;
  for (const Json& row : items(format, "values")) {
    if (const auto value = number(row, "value")) values.push_back(*value);
  }
  if (values.size() < 2 || values.size() > kMostStrokes) return {};
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  std::vector<double> positive(std::upper_bound(values.begin(), values.end(), 0.0), values.end());
  std::string lines = values.size() > 1 ? strokes(values, false, index) : "";
  // Where most values lie too close to zero to be seen.
  if (positive.size() > 1 && positive.back() / positive.front() > kWideRange) lines += strokes(positive, true, index);
  return fmt::format("<div class=\"panel\"><h3>{} <small>{} values</small></h3>\n{}</div>\n",
                     escape(words(format, "format")), values.size(), lines);
}

std::string values_section(const std::vector<const Json*>& formats) {
  std::string body;
  for (size_t i = 0; i < formats.size(); ++i) body += number_line(*formats[i], i);
  return section("values", "Values on the number line",
                 "Of a wide range the positive values on a logarithmic scale, too.", body);
}

// Decibels of each format on each set of numbers, as bars.
std::string errors_section(const std::vector<const Json*>& formats) {
  std::string body;
  double most = 0.0;
  for (const Json* item : formats) {
    for (const Json& error : items(*item, "errors")) most = std::max(most, number(error, "sqnr_db").value_or(0.0));
  }
  for (size_t i = 0; i < formats.size() && most > 0.0; ++i) {
    std::string rows;
    for (const Json& error : items(*formats[i], "errors")) {
      const auto decibels = number(error, "sqnr_db");
      const double share = decibels ? std::clamp(*decibels / most, 0.0, 1.0) : 1.0;
      rows += fmt::format(
          "<div class=\"row wide\"><span>{}</span><span class=\"track\"><i class=\"{}\" "
          "style=\"width:{:.1f}%\"></i></span><b>{}</b></div>\n",
          escape(words(error, "on")), series(i), 100.0 * share, decibels ? figure(*decibels) + " dB" : "exact");
    }
    if (rows.empty()) continue;
    body += fmt::format("<div class=\"panel\"><h3>{}</h3>\n{}</div>\n", escape(words(*formats[i], "format")), rows);
  }
  return section("errors", "Signal to quantization noise",
                 "In decibels: 6 more are half the error. Numbers of variance 1 drawn from each distribution, and "
                 "those of an array or tensor where one was given.",
                 body.empty() ? "" : "<div class=\"columns\">" + body + "</div>");
}

std::string advice_section(const Json& results) {
  std::vector<double> xs, ys, front_x, front_y;
  std::vector<const Json*> shown;
  for (const Json& item : items(results, "ranked")) {
    const auto bits = number(item, "bits"), decibels = number(item, "sqnr_db");
    if (!bits || !decibels || *decibels < 0.0 || shown.size() == kMostAdvised) continue;
    shown.push_back(&item);
    xs.push_back(*bits);
    ys.push_back(*decibels);
    const Json& pareto = member(item, "pareto");
    if (!pareto.is_boolean() || !pareto.get<bool>()) continue;
    front_x.push_back(*bits);
    front_y.push_back(*decibels);
  }
  if (shown.empty()) return {};
  Plot plot(axis_over(xs, true, false, "Bits per element, scales included"),
            axis_over(ys, true, false, "Signal to quantization noise, dB"), 420);
  plot.line(front_x, front_y, "low");
  for (size_t i = shown.size(); i-- > 0;) {  // the front above the others
    const Json& pareto = member(*shown[i], "pareto");
    const bool front = pareto.is_boolean() && pareto.get<bool>();
    plot.dot(xs[i], ys[i], front ? "low" : "low hollow",
             fmt::format("{}\n{} bits, {} dB", words(*shown[i], "format"), short_figure(xs[i], 4), figure(ys[i])),
             "");
  }
  return section("advice", "Bits against error", "Filled: no other format has a lower error in as few bits.",
                 plot.html(plain, plain, 8, 6) +
                     "<p class=\"keys\"><span><i class=\"low dot\"></i>best for its bits</span><span><i "
                     "class=\"low hollow dot\"></i>others</span></p>\n");
}

std::string advice_table(const Json& results) {
  std::string body;
  for (const Json& item : items(results, "ranked")) {
    const Json& pareto = member(item, "pareto");
    if (!pareto.is_boolean() || !pareto.get<bool>()) continue;
    body += fmt::format("<tr><td>{}</td>{}{}</tr>\n", escape(words(item, "format")), cell(shown(item, "bits")),
                        cell(number(item, "sqnr_db") ? shown(item, "sqnr_db") : "exact"));
  }
  if (body.empty()) return {};
  return section("front", "Best for its bits", "",
                 fmt::format("<div class=\"scroll\"><table><thead><tr><th>format</th><th class=\"n\">bits</th><th "
                             "class=\"n\">SQNR, dB</th></tr></thead><tbody>\n{}</tbody></table></div>\n",
                             body));
}

std::string data_lines(const Json& results) {
  std::string out;
  for (const Json& item : items(results, "data")) {
    const auto elements = number(item, "elements");
    if (!elements) continue;
    out += fmt::format("<p class=\"lead\">{}: {} numbers, crest factor {}, of blocks {}</p>\n",
                       escape(words(item, "name")), grouped(*elements), shown(item, "crest"),
                       shown(item, "block_crest"));
  }
  return out;
}

}  // namespace

std::string render_format_page(const nlohmann::json& results) {
  const std::string title = title_of(results);
  const auto formats = formats_of(results);
  return whole_page(
      title, fmt::format("<main>\n<p class=\"eyebrow\">lowbit formats</p>\n<h1>{}</h1>\n{}{}{}{}{}{}{}</main>\n",
                         escape(title), data_lines(results), advice_section(results), advice_table(results),
                         table_section(formats), precision_section(formats), errors_section(formats),
                         values_section(formats)));
}

}  // namespace lowbit::report

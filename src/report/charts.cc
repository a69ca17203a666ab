// The curve of size against loss, loss along the text, histograms on the grid, and which kinds carry the loss.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report/plot.h"
#include "report/sections.h"

namespace lowbit::report {
namespace {

constexpr size_t kMostHistograms = 12;
constexpr size_t kMostChunks = 2000;  // drawn; more would be no picture
constexpr size_t kMostBins = 400;
constexpr size_t kMostCostly = 8;
constexpr size_t kMostAlternatives = 26;  // as many as letters

std::string size_tick(double bytes) {
  return bytes >= 1e9 ? short_figure(bytes / 1e9) + "\xC2\xA0GB" : short_figure(bytes / 1e6) + "\xC2\xA0MB";
}
std::string plain(double value) { return short_figure(value, 3); }
std::string whole(double value) { return grouped(value); }
struct Curve {
  std::vector<double> bytes, loss;
};

Curve read_curve(const Json& results) {
  std::vector<std::pair<double, double>> points;
  for (const Json& item : items(results, "pareto")) {
    const auto bytes = number(item, "bytes");
    const auto loss = number(item, "loss");
    if (bytes && loss && *bytes > 0.0 && *loss > 0.0) points.emplace_back(*bytes, *loss);  // zero has no logarithm
  }
  std::sort(points.begin(), points.end());
  Curve curve;
  for (const auto& [bytes, loss] : points) {
    curve.bytes.push_back(bytes);
    curve.loss.push_back(loss);
  }
  return curve;
}

std::string key(std::string_view style, std::string_view text) {
  return fmt::format("<span><i class=\"{}\"></i>{}</span>", style, text);
}

std::string share_bar(std::string_view style, double share) {
  return fmt::format("<span class=\"track\"><i class=\"{}\" style=\"width:{:.1f}%\"></i></span><b>{}</b>", style,
                     100.0 * std::clamp(share, 0.0, 1.0), percent(share, share < 0.0995 ? 1 : 0));
}

std::string kind_rows(const std::vector<TensorRow>& rows) {
  struct Sum {
    double bytes = 0.0, loss = 0.0;
  };
  std::map<std::string, Sum> sums;
  Sum total;
  for (const TensorRow& row : rows) {
    if (row.vector) continue;
    Sum& sum = sums[row.kind];
    sum.bytes += row.bytes;
    sum.loss += row.loss.value_or(0.0);
    total.bytes += row.bytes;
    total.loss += row.loss.value_or(0.0);
  }
  if (!(total.loss > 0.0) || !(total.bytes > 0.0)) return {};
  std::vector<std::pair<std::string, Sum>> sorted(sums.begin(), sums.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second.loss != b.second.loss ? a.second.loss > b.second.loss : a.first < b.first;
  });
  std::string out;
  for (const auto& [kind, sum] : sorted) {
    out += fmt::format(
        "<div class=\"pair side\"><em>{}</em><div><div class=\"row\">{}</div><div "
        "class=\"row\">{}</div></div></div>\n",
        escape(kind), share_bar("base", sum.bytes / total.bytes), share_bar("low", sum.loss / total.loss));
  }
  return fmt::format("<div class=\"panel\"><h3>By kind</h3>\n<p class=\"keys\">{}{}</p>\n{}</div>\n",
                     key("base", "share of the bytes"), key("low", "share of the loss"), out);
}

std::string costly_rows(const std::vector<TensorRow>& rows) {
  std::vector<const TensorRow*> sorted;
  double total = 0.0;
  for (const TensorRow& row : rows) {
    if (row.loss.value_or(0.0) > 0.0) sorted.push_back(&row);
    total += row.loss.value_or(0.0);
  }
  std::sort(sorted.begin(), sorted.end(), [](const TensorRow* a, const TensorRow* b) {
    return *a->loss != *b->loss ? *a->loss > *b->loss : a < b;  // of one array: in its order
  });
  if (sorted.size() > kMostCostly) sorted.resize(kMostCostly);
  if (sorted.empty()) return {};
  std::string out;
  for (const TensorRow* row : sorted) {
    out += fmt::format(
        "<div class=\"pair\"><em>{} <small>{}</small></em><div class=\"row\"><span>{}</span>{}</div></div>\n",
        escape(row->name), escape(row->formats()), figure(*row->loss, 2), share_bar("low", *row->loss / total));
  }
  return fmt::format("<div class=\"panel\"><h3>The tensors that cost most</h3>\n{}</div>\n", out);
}

std::string histogram(const Json& item) {
  const auto edges = numbers(item, "edges");
  const auto counts = numbers(item, "counts");
  if (counts.empty() || edges.size() != counts.size() + 1 || counts.size() > kMostBins) return {};
  if (!std::is_sorted(edges.begin(), edges.end()) || edges.front() == edges.back()) return {};
  Axis x;
  x.low = edges.front();
  x.high = edges.back();
  Axis y = axis_over(counts, true, false, "");
  y.low = -0.16 * y.high;  // room for the grid's strokes
  Plot plot(x, y, 150);
  for (size_t i = 0; i < counts.size(); ++i) {
    plot.bar(edges[i], edges[i + 1], counts[i], "base",
             fmt::format("{} to {}\n{} weights", figure(edges[i]), figure(edges[i + 1]), grouped(counts[i])));
  }
  plot.bar(x.low, x.high, 0.0, "foot", "");
  for (const double value : numbers(item, "grid")) {
    if (value >= x.low && value <= x.high) plot.stroke(value, 0.115, "low");
  }
  return fmt::format("<div class=\"panel\"><h3>{} <small>{}</small></h3>\n{}</div>\n", escape(words(item, "tensor")),
                     escape(words(item, "format")), plot.html(plain, [](double) { return std::string(); }, 6, 1));
}

struct Chunks {
  std::vector<double> index, base, quantized, kl;
};

Chunks read_chunks(const Json& results) {
  Chunks chunks;
  for (const Json& item : items(results, "chunks")) {
    const auto base = number(item, "nll_base");
    const auto quantized = number(item, "nll");
    const auto kl = number(item, "kl");
    if (!base && !quantized && !kl) continue;
    if (chunks.index.size() == kMostChunks) break;
    chunks.index.push_back(number(item, "index").value_or(static_cast<double>(chunks.index.size())));
    if (base) chunks.base.push_back(*base);
    if (quantized) chunks.quantized.push_back(*quantized);
    if (kl) chunks.kl.push_back(*kl);
  }
  return chunks;
}

std::string likelihood_plot(const Chunks& chunks, const Axis& x) {
  const size_t count = chunks.index.size();
  std::vector<double> all = chunks.base;
  all.insert(all.end(), chunks.quantized.begin(), chunks.quantized.end());
  Plot plot(x, axis_over(all, false, false, "Negative log-likelihood, nats per token"), 200);
  if (chunks.base.size() == count) plot.line(chunks.index, chunks.base, "base");
  if (chunks.quantized.size() == count) plot.line(chunks.index, chunks.quantized, "low");
  for (size_t i = 0; i < count; ++i) {
    std::string tip = fmt::format("chunk {}", grouped(chunks.index[i]));
    if (chunks.base.size() == count) tip += fmt::format("\nbefore {}", figure(chunks.base[i], 4));
    if (chunks.quantized.size() == count) tip += fmt::format("\nafter {}", figure(chunks.quantized[i], 4));
    plot.hover(chunks.index[i] - 0.5, chunks.index[i] + 0.5, tip);
  }
  return plot.html(whole, plain);
}

std::string divergence_plot(const Chunks& chunks, Axis x) {
  x.title = "Chunk of the text";
  Plot plot(x, axis_over(chunks.kl, true, false, "KL divergence, nats per token"), 120);
  for (size_t i = 0; i < chunks.kl.size(); ++i) {
    plot.bar(chunks.index[i] - 0.38, chunks.index[i] + 0.38, chunks.kl[i], "low",
             fmt::format("chunk {}\nKL {}", grouped(chunks.index[i]), figure(chunks.kl[i])));
  }
  return plot.html(whole, plain, 6, 3);
}

}  // namespace

std::string curve_section(const Json& results) {
  const Curve curve = read_curve(results);
  if (curve.bytes.size() < 2) return {};
  std::vector<double> xs = curve.bytes, ys = curve.loss;
  const auto after = number(member(results, "after"), "bytes");
  const Loss of = loss_of(results);
  if (after) xs.push_back(*after);
  for (const auto& y : {of.predicted, of.measured}) {
    if (y) ys.push_back(*y);
  }
  for (const Json& item : items(results, "alternatives")) {
    xs.push_back(number(item, "bytes").value_or(curve.bytes[0]));
    ys.push_back(number(item, "loss").value_or(curve.loss[0]));
  }
  Plot plot(axis_over(xs, false, false, "Size of the file"),
            axis_over(ys, false, true, fmt::format("{}; a logarithmic scale", of.axis)), 300);
  plot.line(curve.bytes, curve.loss, "base");
  size_t others = 0;
  std::string list;
  for (const Json& item : items(results, "alternatives")) {
    const auto bytes = number(item, "bytes");
    const auto loss = number(item, "loss");
    if (!bytes || !loss) continue;
    const std::string name = words(item, "name");
    const std::string letter(1, static_cast<char>('A' + others++));
    const std::string costs = fmt::format("{}, {} {}", size_text(*bytes), of.name, figure(*loss));
    plot.dot(*bytes, *loss, "other", name + "\n" + costs, letter);
    list +=
        fmt::format("<li><i class=\"dot other\">{}</i><b>{}</b> <span>{}</span></li>\n", letter, escape(name), costs);
    if (others == kMostAlternatives) break;
  }
  std::string keys = key("base", "the best plan for each size, predicted");
  if (after && of.predicted) {
    plot.dot(*after, *of.predicted, "low hollow",
             fmt::format("chosen plan, predicted {} {}", of.name, figure(*of.predicted)), "");
    keys += key("low hollow dot", "chosen, predicted");
  }
  if (after && of.measured) {
    plot.dot(*after, *of.measured, "low",
             fmt::format("chosen plan\n{}, measured {} {}", size_text(*after), of.name, figure(*of.measured)), "");
    keys += key("low dot", "chosen, measured");
  }
  return section("curve", "What another size would cost", "",
                 plot.html(size_tick, plain) + fmt::format("<p class=\"keys\">{}</p>\n", keys) +
                     (list.empty() ? "" : fmt::format("<ul class=\"legend\">\n{}</ul>\n", list)));
}

std::string text_loss_section(const Json& results) {
  const Chunks chunks = read_chunks(results);
  if (chunks.index.empty()) return {};
  Axis x;
  x.low = *std::min_element(chunks.index.begin(), chunks.index.end()) - 0.6;
  x.high = *std::max_element(chunks.index.begin(), chunks.index.end()) + 0.6;
  const size_t count = chunks.index.size();
  std::string body;
  if (chunks.base.size() == count || chunks.quantized.size() == count) {
    body += likelihood_plot(chunks, x);
    body += fmt::format("<p class=\"keys\">{}{}</p>\n", chunks.base.size() == count ? key("base", "before") : "",
                        chunks.quantized.size() == count ? key("low", "after") : "");
  }
  if (chunks.kl.size() == count) body += divergence_plot(chunks, x);
  return section("text", "Loss along the text",
                 "Above, how surprised each model is by the text; below, how far their predictions differ.", body);
}

std::string kinds_section(const Json& results) {
  const auto rows = tensor_rows(results);
  const std::string body = kind_rows(rows) + costly_rows(rows);
  return section("kinds", "Where the loss sits", "Predicted from the calibration text.",
                 body.empty() ? "" : "<div class=\"columns\">" + body + "</div>");
}

std::string histograms_section(const Json& results) {
  std::string body;
  size_t shown = 0;
  for (const Json& item : items(results, "histograms")) {
    if (shown == kMostHistograms) break;
    const std::string one = histogram(item);
    shown += !one.empty();
    body += one;
  }
  return section(
      "histograms", "Weights on the grid",
      "Bars: the original weights, in units of their group's scale. Strokes: the values that the format has.",
      body.empty() ? "" : "<div class=\"columns\">" + body + "</div>");
}

}  // namespace lowbit::report

// Bits, error and loss of every tensor as a picture: layers by kinds, what lies outside of layers apart.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "report/colour.h"
#include "report/sections.h"

namespace lowbit::report {
namespace {

constexpr int kMostMapLayers = 400;   // a picture of more is no picture
constexpr int kDenseLayers = 34;      // from here on cells are too narrow for a number
constexpr double kMostDecades = 3.0;  // a logarithmic heat scale reaches at most so far below its top
constexpr double kLeastDecades = 1.0;

struct Grid {
  std::vector<std::string> kinds;
  std::vector<int> layers;
  std::vector<const TensorRow*> cells, apart;
};

Grid arrange(const std::vector<TensorRow>& rows) {
  Grid grid;
  for (const TensorRow& row : rows) {
    if (row.vector) continue;  // norms and biases: in the table
    if (!row.layer) {
      grid.apart.push_back(&row);
      continue;
    }
    grid.cells.push_back(&row);
    if (std::find(grid.kinds.begin(), grid.kinds.end(), row.kind) == grid.kinds.end()) grid.kinds.push_back(row.kind);
    if (std::find(grid.layers.begin(), grid.layers.end(), *row.layer) == grid.layers.end()) {
      grid.layers.push_back(*row.layer);
    }
  }
  // Attention before feed-forward, in the order of computation; other kinds after them as they come.
  constexpr std::array<std::string_view, 7> kOrder = {"attn_q",   "attn_k", "attn_v",  "attn_output",
                                                      "ffn_gate", "ffn_up", "ffn_down"};
  std::vector<std::string> ordered;
  for (const std::string_view kind : kOrder) {
    if (std::erase(grid.kinds, kind) > 0) ordered.emplace_back(kind);
  }
  ordered.insert(ordered.end(), grid.kinds.begin(), grid.kinds.end());
  grid.kinds = std::move(ordered);
  std::sort(grid.layers.begin(), grid.layers.end());
  if (grid.layers.size() > static_cast<size_t>(kMostMapLayers)) grid = {};
  return grid;
}

// How a tensor is coloured in one picture, and the number in its cell.
struct Shade {
  std::string style, label;
};

// A logarithmic scale over the positive values of a field.
struct Heat {
  std::optional<double> TensorRow::* field;
  double top = 0.0, decades = kLeastDecades;

  double low() const { return top * std::pow(10.0, -decades); }
};

Heat heat_over(const std::vector<const TensorRow*>& rows, std::optional<double> TensorRow::* field) {
  Heat heat{field};
  double least = 0.0;
  for (const TensorRow* row : rows) {
    const double value = (row->*field).value_or(0.0);
    if (!(value > 0.0)) continue;
    heat.top = std::max(heat.top, value);
    least = least > 0.0 ? std::min(least, value) : value;
  }
  if (heat.top > 0.0) heat.decades = std::clamp(std::log10(heat.top / least), kLeastDecades, kMostDecades);
  return heat;
}

// Bits without a scale, else heat. What lost nothing has no colour.
Shade shade(const TensorRow& row, const Heat* heat) {
  if (!heat) return {bits_style(row.bits), short_figure(row.bits)};
  const double value = (row.*heat->field).value_or(0.0);
  if (!(value > 0.0)) return {"", ""};
  return {heat_style(1.0 + std::log10(value / heat->top) / heat->decades), ""};
}

// "attn_output" -> "attn<br>output", so that a narrow column can hold it.
std::string kind_label(const std::string& kind) {
  std::string out;
  for (const char c : escape(kind)) {
    if (c == '_' || c == '.') {
      out += "<wbr> ";
    } else {
      out += c;
    }
  }
  return out;
}

std::string grid_html(const Grid& grid, const Heat* heat = nullptr) {
  if (grid.cells.empty()) return {};
  std::string out =
      fmt::format("<div class=\"scroll\"><div class=\"map{}\" style=\"--layers:{};--kinds:{}\">\n",
                  grid.layers.size() > kDenseLayers ? " dense" : "", grid.layers.size(), grid.kinds.size());
  for (size_t k = 0; k < grid.kinds.size(); ++k) {
    out += fmt::format("<b class=\"kind\" style=\"--k:{}\">{}</b>", k, kind_label(grid.kinds[k]));
  }
  for (size_t l = 0; l < grid.layers.size(); ++l) {
    const bool marked = l % 5 == 0 || grid.layers.size() <= 12;
    out += fmt::format("<b class=\"layer{}\" style=\"--l:{}\">{}</b>", marked ? "" : " minor", l, grid.layers[l]);
  }
  out += '\n';
  for (const TensorRow* row : grid.cells) {
    const auto k = std::find(grid.kinds.begin(), grid.kinds.end(), row->kind) - grid.kinds.begin();
    const auto l = std::lower_bound(grid.layers.begin(), grid.layers.end(), *row->layer) - grid.layers.begin();
    const Shade s = shade(*row, heat);
    out += fmt::format("<i style=\"--k:{};--l:{};{}\" data-tip=\"{}\">{}</i>\n", k, l, s.style, escape(row->tip()),
                       s.label);
  }
  return out + "</div></div>\n";
}

// Tensors outside of layers: a bar each, divided by rows into its parts.
std::string apart_html(const Grid& grid) {
  std::string out;
  for (const TensorRow* row : grid.apart) {
    double rows = 0.0;
    for (const Part& part : row->parts) rows += part.rows;
    if (!(rows > 0.0)) continue;
    std::string parts;
    for (const Part& part : row->parts) {
      parts += fmt::format(
          "<i style=\"flex-grow:{:.0f};{}\" data-tip=\"{}\"><span>{}</span></i>", part.rows, bits_style(part.bits),
          escape(fmt::format("{}\n{} rows as {}\n{} bits per weight, {}", row->name, grouped(part.rows), part.format,
                             figure(part.bits), size_text(part.bytes))),
          escape(part.format));
    }
    out += fmt::format("<div class=\"apart\"><p><b>{}</b> {}, {} bits, {}</p><div class=\"parts\">{}</div></div>\n",
                       escape(row->name), escape(row->shape), figure(row->bits), size_text(row->bytes), parts);
  }
  return out;
}

struct Use {
  double bits = 0.0, bytes = 0.0;
  size_t tensors = 0;
};

std::string formats_legend(const std::vector<TensorRow>& rows) {
  std::map<std::string, Use> uses;
  double whole = 0.0;
  for (const TensorRow& row : rows) {
    std::string last;
    for (const Part& part : row.parts) {
      Use& use = uses[part.format];
      use.bits = part.bits;
      use.bytes += part.bytes;
      whole += part.bytes;
      if (part.format != last) ++use.tensors;
      last = part.format;
    }
  }
  std::vector<std::pair<std::string, Use>> sorted(uses.begin(), uses.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second.bits != b.second.bits ? a.second.bits < b.second.bits : a.first < b.first;
  });
  std::string out;
  for (const auto& [format, use] : sorted) {
    if (whole <= 0.0 || use.bytes < 0.0005 * whole) continue;  // norms
    out += fmt::format("<li><i style=\"{}\">{}</i><b>{}</b> <span>{} tensor{}, {} of the bytes</span></li>\n",
                       bits_style(use.bits), short_figure(use.bits), escape(format), use.tensors,
                       use.tensors == 1 ? "" : "s", percent(use.bytes / whole, use.bytes < 0.01 * whole ? 1 : 0));
  }
  return out.empty() ? "" : fmt::format("<ul class=\"legend\">\n{}</ul>\n", out);
}

std::string heat_legend(const Heat& heat) {
  return fmt::format(
      "<p class=\"ramp\"><span>{}</span><i style=\"background:{}\"></i><span>{}</span><i class=\"none\"></i>"
      "<span>nothing lost</span></p>\n",
      figure(heat.low(), 2), heat_gradient(), figure(heat.top, 2));
}

std::string panel(std::string_view id, std::string_view title, std::string_view text, std::string_view body) {
  return fmt::format("<div class=\"panel {}\"><h3>{}</h3><p class=\"small\">{}</p>\n{}</div>\n", id, title, text,
                     body);
}

}  // namespace

std::string map_section(const Json& results) {
  const auto rows = tensor_rows(results);
  const Grid grid = arrange(rows);
  if (grid.cells.empty() && grid.apart.empty()) return {};
  const Heat error = heat_over(grid.cells, &TensorRow::error);
  const Heat loss = heat_over(grid.cells, &TensorRow::loss);
  std::string panels = panel("bits", "Bits per weight", "Light is few bits, dark is many.",
                             grid_html(grid) + apart_html(grid) + formats_legend(rows));
  std::string tabs =
      "<input type=\"radio\" name=\"map\" id=\"map-bits\" checked><label for=\"map-bits\">Bits</label>";
  if (loss.top > 0.0) {
    tabs += "<input type=\"radio\" name=\"map\" id=\"map-loss\"><label for=\"map-loss\">Loss</label>";
    panels +=
        panel("loss", "Predicted loss",
              fmt::format("What each tensor adds to the predicted {}; a logarithmic scale.", loss_of(results).name),
              grid_html(grid, &loss) + heat_legend(loss));
  }
  if (error.top > 0.0) {
    tabs += "<input type=\"radio\" name=\"map\" id=\"map-error\"><label for=\"map-error\">Error</label>";
    panels += panel("error", "Relative error", "Squared error of the weights against their squares; logarithmic.",
                    grid_html(grid, &error) + heat_legend(error));
  }
  return section("map", "Where the bits went",
                 "One cell is one tensor: its layer, and its kind within the layer. Point at a cell for its numbers.",
                 "<div class=\"maps\">" + tabs + panels + "</div>\n");
}

}  // namespace lowbit::report

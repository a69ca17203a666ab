#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "report/sections.h"

namespace lowbit::report {
namespace {

constexpr size_t kMostLayerDigits = 4;

// Splits "blk.7.attn_q.weight" into layer 7 and kind "attn_q"; "model.layers.7.mlp.up_proj.weight" into
// "mlp.up_proj".
void read_name(TensorRow& row) {
  std::string_view rest = row.name;
  if (rest.ends_with(".weight")) rest.remove_suffix(7);
  row.kind = rest;
  size_t begin = 0;
  while (begin < rest.size()) {
    const size_t end = std::min(rest.find('.', begin), rest.size());
    const std::string_view piece = rest.substr(begin, end - begin);
    const bool digits = !piece.empty() && piece.size() <= kMostLayerDigits &&
                        std::all_of(piece.begin(), piece.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits && begin > 0 && end < rest.size()) {
      row.layer = std::stoi(std::string(piece));
      row.kind = rest.substr(end + 1);
      return;
    }
    begin = end + 1;
  }
}

std::vector<Part> read_parts(const Json& tensor) {
  std::vector<Part> parts;
  for (const Json& item : items(tensor, "parts")) {
    if (!item.is_object()) continue;
    parts.push_back({words(item, "format"), number(item, "rows").value_or(0.0), number(item, "bytes").value_or(0.0),
                     number(item, "bits_per_weight").value_or(0.0)});
  }
  return parts;
}

}  // namespace

std::string TensorRow::formats() const {
  std::vector<std::string> seen;
  for (const Part& part : parts) {
    if (std::find(seen.begin(), seen.end(), part.format) == seen.end()) seen.push_back(part.format);
  }
  std::string out;
  for (const std::string& format : seen) out += (out.empty() ? "" : " + ") + format;
  return out;
}

std::string TensorRow::tip() const {
  std::string out = fmt::format("{}\n{}, {} bits per weight\n{}", name, formats(), figure(bits), size_text(bytes));
  if (!source_format.empty()) out += fmt::format(", was {}", source_format);
  if (error) out += fmt::format("\nrelative error {}", figure(*error));
  if (loss) out += fmt::format("\npredicted loss {}", figure(*loss));
  return out;
}

std::vector<TensorRow> tensor_rows(const Json& results) {
  std::vector<TensorRow> rows;
  for (const Json& item : items(results, "tensors")) {
    if (!item.is_object()) continue;
    TensorRow row;
    row.name = words(item, "name");
    row.source_format = words(item, "source_format");
    const auto shape = numbers(item, "shape");
    for (const double extent : shape) row.shape += (row.shape.empty() ? "" : " × ") + fmt::format("{:.0f}", extent);
    row.vector = shape.size() == 1;
    row.parts = read_parts(item);
    row.bytes = number(item, "bytes").value_or(0.0);
    row.bits = number(item, "bits_per_weight").value_or(0.0);
    row.error = number(item, "error");
    row.loss = number(item, "loss");
    read_name(row);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace lowbit::report

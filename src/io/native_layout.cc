#include "io/native_layout.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/bits.h"
#include "formats/codebook.h"
#include "io/json_text.h"
#include "io/limits.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

using nlohmann::json;

constexpr size_t kMostFormatText = 256;

// Plain elements that safetensors has a dtype for, by their names in the format language.
constexpr std::pair<std::string_view, std::string_view> kPlainDtypes[] = {
    {"f32", "F32"}, {"f16", "F16"}, {"bf16", "BF16"}};

std::string_view plain_dtype(const formats::Format& format) {
  if (!format.is_plain()) return {};
  const std::string name = formats::print(format);
  const auto* found = std::ranges::find(kPlainDtypes, name, &std::pair<std::string_view, std::string_view>::first);
  return found == std::end(kPlainDtypes) ? std::string_view() : found->second;
}

int64_t rows_of(const std::vector<int64_t>& shape) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

Status check_stored(const StoredTensor& tensor) {
  const std::string name = shown(tensor.name);
  if (tensor.name.empty() || !is_utf8(tensor.name) || tensor.name.find('#') != std::string::npos) {
    return errorf("the tensor name {}, expected UTF-8 without '#'", name);
  }
  if (tensor.shape.empty() || tensor.shape.size() > 3) {
    return errorf("tensor {} has {} dimensions, expected 1 to 3", name, tensor.shape.size());
  }
  uint64_t elements = 1;
  for (const int64_t n : tensor.shape) {
    const auto product = checked_mul(elements, static_cast<uint64_t>(n));
    if (n < 1 || !product.has_value() || *product > kMaxElements) {
      return errorf("tensor {} has a dimension of {}, expected 1 or more and at most {} elements in all", name, n,
                    kMaxElements);
    }
    elements = *product;
  }
  int64_t rows = 0;
  for (const TensorInfo::Part& part : tensor.parts) {
    if (part.rows < 1 || part.rows > rows_of(tensor.shape) - rows) {
      return errorf("tensor {} has a part of {} rows, which exceeds its {} rows", name, part.rows,
                    rows_of(tensor.shape));
    }
    rows += part.rows;
  }
  if (rows != rows_of(tensor.shape)) {
    return errorf("tensor {} has parts of {} rows together, expected {}", name, rows, rows_of(tensor.shape));
  }
  if (tensor.row_order && rows > std::numeric_limits<int32_t>::max()) {
    return errorf("tensor {} has {} rows, too many for a row order", name, rows);
  }
  return {};
}

Result<StoredTensor> parse_stored(const std::string& name, const json& entry) {
  StoredTensor tensor;
  tensor.name = name;
  for (const json& size : entry.at(0)) {
    LOWBIT_ASSIGN(const uint64_t n, json_count(size, kMaxElements, "a dimension"));
    tensor.shape.push_back(static_cast<int64_t>(n));
  }
  for (size_t i = 1; i < entry.size(); i += 2) {
    const auto text = entry.at(i).get<std::string>();
    if (text.size() > kMostFormatText)
      return errorf("tensor {} has a format of {} characters", shown(name), text.size());
    auto format = formats::parse_format(text);
    if (!format.ok()) return errorf("tensor {} has the format {}: {}", shown(name), shown(text), format.message());
    int64_t rows = rows_of(tensor.shape);
    if (entry.size() > 2) {
      LOWBIT_ASSIGN(const uint64_t n, json_count(entry.at(i + 1), kMaxElements, "the rows of a part"));
      rows = static_cast<int64_t>(n);
    }
    tensor.parts.push_back({std::move(format).value(), rows});
  }
  return tensor;
}

}  // namespace

bool is_stored_plain(const StoredTensor& tensor) {
  return rows_of(tensor.shape) == 1 && tensor.parts.size() == 1 && !tensor.row_order &&
         !plain_dtype(tensor.parts[0].format).empty();
}

Result<std::vector<Piece>> pieces_of(const StoredTensor& tensor) {
  LOWBIT_TRY(check_stored(tensor));
  std::vector<Piece> pieces;
  const auto cols = static_cast<uint64_t>(tensor.shape.back());
  if (is_stored_plain(tensor)) {
    Piece piece{tensor.name, std::string(plain_dtype(tensor.parts[0].format)), {}, 0, 0};
    for (const int64_t n : tensor.shape) piece.shape.push_back(static_cast<uint64_t>(n));
    piece.bytes = piece.packed = cols * tensor.parts[0].format.element.bits / 8;
    pieces.push_back(std::move(piece));
    return pieces;
  }
  const bool numbered = tensor.parts.size() > 1 || tensor.row_order;
  for (size_t i = 0; i < tensor.parts.size(); ++i) {
    const TensorInfo::Part& part = tensor.parts[i];
    auto layout = tensor::PackedLayout::of(part.format, part.rows, tensor.shape.back());
    if (!layout.ok()) return errorf("tensor {}: {}", shown(tensor.name), layout.message());
    const auto padded = checked_add(layout->total_bytes, kNativeAlignment - 1);
    if (!padded.has_value()) return errorf("tensor {} is too large", shown(tensor.name));
    const uint64_t bytes = *padded / kNativeAlignment * kNativeAlignment;
    pieces.push_back(
        {numbered ? fmt::format("{}#{}", tensor.name, i) : tensor.name, "U8", {bytes}, bytes, layout->total_bytes});
  }
  if (tensor.row_order) {
    const auto rows = static_cast<uint64_t>(rows_of(tensor.shape));
    pieces.push_back({tensor.name + "#rows", "I32", {rows}, rows * 4, rows * 4});
  }
  return pieces;
}

std::string_view layout_name(std::span<const StoredTensor> tensors) {
  const auto ternary = [](const TensorInfo::Part& part) { return formats::is_ternary(part.format.element); };
  const bool fives =
      std::ranges::any_of(tensors, [&](const StoredTensor& t) { return std::ranges::any_of(t.parts, ternary); });
  return fives ? kNativeTernaryLayout : kNativeLayout;
}

std::string stored_tensors_text(std::span<const StoredTensor> tensors) {
  json all = json::object();
  for (const StoredTensor& tensor : tensors) {
    json entry = json::array({tensor.shape});
    for (const TensorInfo::Part& part : tensor.parts) {
      entry.push_back(formats::print(part.format));
      if (tensor.parts.size() > 1) entry.push_back(part.rows);
    }
    all[tensor.name] = std::move(entry);
  }
  std::string text;
  append_json(all, text);
  return text;
}

Result<std::vector<StoredTensor>> parse_stored_tensors(std::string_view text) {
  LOWBIT_ASSIGN(const json all, parse_json(text));
  if (!all.is_object()) return Error{"the list of tensors is no JSON object"};
  std::vector<StoredTensor> tensors;
  try {
    for (const auto& [name, entry] : all.items()) {
      LOWBIT_ASSIGN(StoredTensor tensor, parse_stored(name, entry));
      tensors.push_back(std::move(tensor));
    }
  } catch (const std::exception& error) {
    return Error{json_complaint(error)};
  }
  return tensors;
}

}  // namespace lowbit::io

#include "io/format_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <span>

#include "base/bits.h"
#include "base/file.h"
#include "formats/exact.h"
#include "formats/list_reader.h"
#include "io/npy.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

constexpr uint64_t kMostBytes = 1 << 20;
constexpr size_t kMost = 256;
constexpr NpyType kTypes[] = {NpyType::float32, NpyType::float64, NpyType::float16};

// The numbers of a text.
class ListText {
 public:
  ListText(const std::string& path, std::string_view text) : path_(path), text_(text) {}

  Result<std::vector<float>> numbers() {
    std::vector<float> out;
    for (skip_space(); at_ < text_.size(); skip_space()) {
      LOWBIT_ASSIGN(const float value, number());
      if (out.size() == kMost) return fail("another number", "at most 256");
      out.push_back(value);
      at_ += token().size();
      skip_space();
      if (at_ < text_.size() && text_[at_] == ',') ++at_;
    }
    if (out.size() < 2) return errorf("{}: found {} numbers, expected 2 to 256", path_, out.size());
    return out;
  }

 private:
  const std::string& path_;
  std::string_view text_;
  size_t at_ = 0;

  static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  void skip_space() {
    for (; at_ < text_.size() && (is_space(text_[at_]) || text_[at_] == '#'); ++at_) {
      if (text_[at_] == '#') at_ = std::min(text_.find('\n', at_), text_.size() - 1);
    }
  }

  // What stands here up to a space, a comma or a comment.
  std::string_view token() const {
    size_t end = at_;
    while (end < text_.size() && !is_space(text_[end]) && text_[end] != ',' && text_[end] != '#') ++end;
    return text_.substr(at_, end - at_);
  }

  Result<float> number() const {
    const std::string_view word = token();
    float value = 0;
    const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), value);
    const std::string found = word.empty() ? "\",\"" : shown(word);
    if (failed == std::errc::result_out_of_range) return fail(found, "a number within the range of f32");
    if (failed != std::errc() || end != word.data() + word.size()) return fail(found, "a number");
    if (!std::isfinite(value)) return fail(found, "a finite number");
    return value;
  }

  Error fail(std::string_view found, std::string_view expected) const {
    const std::string_view before = text_.substr(0, at_);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t newline = before.rfind('\n');
    const size_t column = newline == std::string_view::npos ? at_ + 1 : at_ - newline;
    return errorf("{}: line {}, column {}: found {}, expected {}", path_, line, column, found, expected);
  }
};

Result<std::vector<float>> list_of_array(const std::string& path, std::string_view bytes) {
  LOWBIT_ASSIGN(const NpyView array, view_npy(path, std::as_bytes(std::span(bytes)), {kTypes, true}));
  if (array.shape.size() != 1) {
    return errorf("{}: found an array of {} dimensions, expected one", path, array.shape.size());
  }
  const int64_t count = array.elements();
  if (count < 2 || count > static_cast<int64_t>(kMost)) {
    return errorf("{}: found {} numbers, expected 2 to 256", path, count);
  }
  const formats::ElementFormat half = formats::parse_element("f16").value();
  std::vector<float> out(static_cast<size_t>(count));
  const size_t size = npy_type_bytes(array.type);
  for (size_t i = 0; i < out.size(); ++i) {
    const std::byte* at = array.data.data() + i * size;
    if (array.type == NpyType::float32) {
      std::memcpy(&out[i], at, size);
    } else if (array.type == NpyType::float64) {
      double wide = 0;
      std::memcpy(&wide, at, size);
      out[i] = formats::Exact::of(wide).to_float();
    } else {
      uint16_t code = 0;
      std::memcpy(&code, at, size);
      out[i] = half.decode(code);
    }
    if (std::isfinite(out[i])) continue;
    return errorf("{}: offset {}: found element {} with the value {} as f32, expected a finite number", path,
                  static_cast<size_t>(at - std::as_bytes(std::span(bytes)).data()), i, out[i]);
  }
  return out;
}

// At most one name can be that of a file: what goes on behind it would make it a folder.
size_t length_of_name(std::string_view text) {
  for (size_t end = text.size(); end > 0 && end != std::string_view::npos; end = text.rfind('/', end - 1)) {
    std::error_code ignored;
    const auto status = std::filesystem::status(std::filesystem::path(text.substr(0, end)), ignored);
    if (std::filesystem::exists(status) && !std::filesystem::is_directory(status)) return end;
  }
  return 0;
}

Result<formats::ReadList> read_list(std::string_view text) {
  if (text.empty()) return errorf("format \"@\": found the end, expected the name of a file behind the @");
  formats::ReadList out;
  out.length = length_of_name(text);
  const std::string path(text.substr(0, out.length));
  if (path.empty()) {
    return errorf(
        "{}: found no file of this name, nor one that ends before a slash of it; expected a file of 2 to 256 "
        "numbers",
        shown(text));
  }
  LOWBIT_ASSIGN(const std::string bytes, read_text_file(path, kMostBytes));
  if (bytes.starts_with("\x93NUMPY")) {
    LOWBIT_ASSIGN(out.values, list_of_array(path, bytes));
  } else {
    LOWBIT_ASSIGN(out.values, ListText(path, bytes).numbers());
  }
  return out;
}

}  // namespace

Result<formats::Format> read_format(std::string_view text) { return formats::parse_format(text, read_list); }
Result<formats::ElementFormat> read_element(std::string_view text) { return formats::parse_element(text, read_list); }

}  // namespace lowbit::io

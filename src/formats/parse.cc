// format = element { "/" level }; level = group [ ":" scale [ "+" ( "zp" | minimum ) ] ].
#include <fmt/ranges.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <optional>

#include "formats/codebook.h"
#include "formats/codes.h"
#include "formats/list_reader.h"
#include "formats/names.h"

namespace lowbit::formats {
namespace {

constexpr size_t kLongestText = 8192;  // a list of 256 numbers fits
constexpr size_t kMostListed = 256;
constexpr size_t kMostLevels = 8;
constexpr int64_t kLargestGroup = 1 << 20;

// A printable excerpt for messages.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 60)) out += c >= ' ' && c <= '~' && c != '"' ? c : '?';
  return out + (text.size() > 60 ? "...\"" : "\"");
}

std::string print_group(const ScaleLevel& level) {
  if (level.group == kGroupRow) return "row";
  if (level.group == kGroupTensor) return "tensor";
  return level.rows == 1 ? fmt::format("{}", level.group) : fmt::format("{}x{}", level.rows, level.group);
}

class Parser {
 public:
  Parser(std::string_view original, std::string text, const ListReader* reader)
      : original_(original), text_(std::move(text)), reader_(reader) {}

  Result<Format> format() {
    Format out;
    LOWBIT_ASSIGN(out.element, element("an element"));
    while (!done()) {
      if (text_[at_] != '/') return fail(at_, found(), "\"/\" and a group, or the end");
      if (out.levels.size() == kMostLevels) return fail(at_, "another level", "at most 8 levels of scaling");
      ++at_;
      LOWBIT_ASSIGN(ScaleLevel next, level(out));
      out.levels.push_back(std::move(next));
    }
    LOWBIT_TRY(check_outer_levels(out));
    return out;
  }

  // Any element of the language, also one that no weight is stored in.
  Result<ElementFormat> single_element() {
    stored_ = false;
    LOWBIT_ASSIGN(ElementFormat out, element("an element"));
    if (!done()) return fail(at_, found(), "the end of the element");
    return out;
  }

 private:
  std::string_view original_;  // as written, for messages
  std::string text_;           // in lower case
  const ListReader* reader_;   // null: no files
  size_t at_ = 0;
  bool stored_ = true;            // elements are those of a Format
  std::vector<size_t> scale_at_;  // offset of the scale of each level

  bool done() const { return at_ == text_.size(); }
  std::string found() const { return done() ? "the end" : quoted(std::string_view(original_).substr(at_, 1)); }

  Error fail(size_t at, std::string_view what, std::string_view expected) const {
    return errorf("format {}: column {}: found {}, expected {}", quoted(original_), at + 1, what, expected);
  }

  std::string_view word() const {
    size_t end = at_;
    const auto inside = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    };
    // A bias may be negative: e4m3b-2.
    const auto bias = [&] { return text_[end] == '-' && end > at_ && text_[end - 1] == 'b'; };
    while (end < text_.size() && (inside(text_[end]) || bias())) ++end;
    return std::string_view(text_).substr(at_, end - at_);
  }

  Result<ElementFormat> element(std::string_view role) {
    const size_t start = at_;
    LOWBIT_ASSIGN(ElementFormat out, any_element(role));
    const char* defect = stored_ ? storage_defect(out) : nullptr;
    if (defect != nullptr) return fail(start, quoted(original_.substr(start, at_ - start)), defect);
    return out;
  }

  // [-1,0,0.5,1]: a codebook in the order of its codes, each number rounded to float.
  Result<ElementFormat> list() {
    const size_t start = at_++;
    std::vector<float> values;
    for (;;) {
      float value = 0;
      const auto [end, failed] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
      if (failed != std::errc() || !std::isfinite(value)) return fail(at_, found(), "a number of the list");
      if (values.size() == kMostListed) return fail(at_, "another number", "at most 256");
      at_ = static_cast<size_t>(end - text_.data());
      values.push_back(value);
      if (done() || (text_[at_] != ',' && text_[at_] != ']')) return fail(at_, found(), "\",\" or \"]\" in the list");
      if (text_[at_++] == ']') break;
    }
    return list_of(start, values);
  }

  // @FILE: what stands there takes the place of its name.
  Result<ElementFormat> list_file() {
    const size_t start = at_++;
    LOWBIT_ASSIGN(const ReadList read, (*reader_)(original_.substr(at_)));
    at_ += read.length;
    return list_of(start, read.values);
  }

  Result<ElementFormat> list_of(size_t start, const std::vector<float>& values) const {
    if (values.size() < 2 || values.size() > kMostListed) {
      return fail(start, fmt::format("a list of {}", values.size()), "2 to 256 numbers");
    }
    const auto bits = static_cast<uint8_t>(std::bit_width(values.size() - 1));
    return make_codebook(fmt::format("[{}]", fmt::join(values, ",")), bits, {values.begin(), values.end()});
  }

  Result<ElementFormat> any_element(std::string_view role) {
    if (!done() && text_[at_] == '[') return list();
    if (!done() && text_[at_] == '@' && reader_ != nullptr) return list_file();
    const std::string_view name = word();
    if (name.empty()) return fail(at_, found(), fmt::format("{} (such as int4, e4m3fn, f16)", role));
    const size_t start = at_;
    at_ += name.size();
    if (const ElementFormat* named = find_named_element(name)) return *named;
    const Alias* alias = find_alias(name);
    if (alias != nullptr) {
      if (const ElementFormat* named = find_named_element(alias->meaning)) return *named;
      if (ElementParse meant = parse_parametric(alias->meaning); meant.ok) return meant.element;
      return fail(start, fmt::format("the block format {}", quoted(name)), fmt::format("{} alone", role));
    }
    ElementParse parsed = parse_parametric(name);
    if (parsed.ok) return parsed.element;
    if (!parsed.unknown) return fail(start + parsed.at, quoted(original_.substr(start, name.size())), parsed.problem);
    const std::string nearest = nearest_names(name);
    return fail(start, fmt::format("the unknown name {}", quoted(original_.substr(start, name.size()))),
                nearest.empty() ? fmt::format("{} (such as int4, e4m3fn, f16)", role)
                                : fmt::format("{}; nearest names: {}", role, nearest));
  }

  // The number that a text is, 1 to kLargestGroup; 0 where it is none.
  static int64_t group_number(std::string_view text) {
    int64_t value = 0;
    for (const char c : text) {
      if (c < '0' || c > '9' || value > kLargestGroup) return 0;
      value = value * 10 + (c - '0');
    }
    return text.empty() || text[0] == '0' || value > kLargestGroup ? 0 : value;
  }

  // Sets the group and the rows of a level: "32", "128x128", "row" or "tensor".
  Status group(const Format& so_far, ScaleLevel& out) {
    const std::string_view name = word();
    const size_t start = at_;
    const ScaleLevel* inner = so_far.levels.empty() ? nullptr : &so_far.levels.back();
    const std::string written = name.empty() ? found() : quoted(original_.substr(start, name.size()));
    at_ += name.size();
    if (inner != nullptr && inner->group == kGroupTensor) {
      return fail(start, written, "the end, as nothing lies outside the tensor");
    }
    if (name == "tensor") {
      out.group = kGroupTensor;
      return {};
    }
    if (inner != nullptr && inner->group == kGroupRow) {
      return fail(start, written, "\"tensor\", the only group outside a row");
    }
    if (name == "row") {
      if (inner != nullptr && inner->rows > 1) {
        return fail(start, written, "\"tensor\" or blocks of rows, as the inner blocks span several rows");
      }
      out.group = kGroupRow;
      return {};
    }
    const size_t cross = name.find('x');
    if (cross != std::string_view::npos) out.rows = group_number(name.substr(0, cross));
    out.group = group_number(cross == std::string_view::npos ? name : name.substr(cross + 1));
    if (out.group == 0 || out.rows == 0) {
      return fail(start, written, "a group (1 to 1048576 elements, rows x elements, row or tensor)");
    }
    if (inner == nullptr) return {};
    if (out.group % inner->group != 0 || out.rows % inner->rows != 0) {
      return fail(start, written, fmt::format("a multiple of the inner group {}", print_group(*inner)));
    }
    return {};
  }

  Result<ElementFormat> scale(std::string_view role) {
    const size_t start = at_;
    LOWBIT_ASSIGN(ElementFormat out, element(role));
    if (out.kind != ElementKind::floating && out.kind != ElementKind::integer) {
      return fail(start, quoted(original_.substr(start, at_ - start)),
                  fmt::format("{} that is a float or an integer", role));
    }
    return out;
  }

  Result<ScaleLevel> level(const Format& so_far) {
    ScaleLevel out;
    LOWBIT_TRY(group(so_far, out));
    scale_at_.push_back(at_);
    out.scale = *find_named_element("f16");
    if (done() || text_[at_] != ':') return out;
    ++at_;
    scale_at_.back() = at_;
    LOWBIT_ASSIGN(out.scale, scale("a scale"));
    if (done() || text_[at_] != '+') return out;
    const size_t start = ++at_;
    if (word() == "zp") {
      at_ += 2;
      if (!so_far.levels.empty()) return fail(start, "\"zp\"", "a zero point at the innermost level only");
      if (!so_far.element.is_integer() || so_far.element.bits > 8)
        return fail(start, "\"zp\"", "a zero point with an integer element of at most 8 bits only");
      out.zero_point = true;
      return out;
    }
    LOWBIT_ASSIGN(out.minimum, scale("\"zp\" or a minimum"));
    if (!so_far.levels.empty() && !so_far.has_minimum()) {
      return fail(start, "a minimum", "one only where the innermost level has one");
    }
    return out;
  }

  // An integer scale or minimum is a code that a further level gives its size.
  Status check_outer_levels(const Format& format) const {
    if (format.levels.empty()) return {};
    const ScaleLevel& outermost = format.levels.back();
    if (!outermost.scale.is_integer() && !(outermost.minimum && outermost.minimum->is_integer())) return {};
    return fail(scale_at_.back(), "an integer scale or minimum at the outermost level",
                "a float there, or a further level outside");
  }
};

Result<Parser> prepare(std::string_view text, const ListReader* reader) {
  if (text.size() > kLongestText) {
    return errorf("format {}: found {} characters, expected at most {}", quoted(text), text.size(), kLongestText);
  }
  return Parser(text, lower_case(text), reader);
}

Result<Format> whole_format(std::string_view text, const ListReader* reader) {
  const Alias* alias = text.size() > kLongestText ? nullptr : find_alias(lower_case(text));
  LOWBIT_ASSIGN(Parser parser, prepare(alias != nullptr ? alias->meaning : text, reader));
  return parser.format();
}

Result<ElementFormat> whole_element(std::string_view text, const ListReader* reader) {
  LOWBIT_ASSIGN(Parser parser, prepare(text, reader));
  return parser.single_element();
}

}  // namespace

Result<Format> parse_format(std::string_view text) { return whole_format(text, nullptr); }
Result<ElementFormat> parse_element(std::string_view text) { return whole_element(text, nullptr); }
Result<Format> parse_format(std::string_view text, const ListReader& reader) { return whole_format(text, &reader); }
Result<ElementFormat> parse_element(std::string_view text, const ListReader& reader) {
  return whole_element(text, &reader);
}

Status check_rows_apart(const Format& format) {
  for (const ScaleLevel& level : format.levels) {
    if (level.rows == 1) continue;
    return errorf(
        "format {}: found blocks of {} rows, which arrays are cast to (lowbit cast); expected groups within a row, "
        "as "
        "{} for a matrix that is stored",
        print(format), level.rows, level.group);
  }
  return {};
}

std::string print(const Format& format) {
  if (const std::string_view alias = alias_of(format); !alias.empty()) return std::string(alias);
  std::string out = print(format.element);
  for (const ScaleLevel& level : format.levels) {
    out += "/" + print_group(level);
    const std::string scale = print(level.scale);
    const bool more = level.zero_point || level.minimum;
    if (scale == "f16" && !more) continue;
    out += ":" + scale;
    if (level.zero_point) out += "+zp";
    if (level.minimum) out += "+" + print(*level.minimum);
  }
  return out;
}

}  // namespace lowbit::formats

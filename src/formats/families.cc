#include "formats/families.h"

#include <array>
#include <mutex>
#include <utility>

#include "formats/codebook.h"

namespace lowbit::formats {
namespace {

constexpr Family kFamilies[] = {
#define LOWBIT_FAMILY(prefix, function, example, shape, source) {prefix, function, example, shape, source},
#include "formats/families.inc"
#undef LOWBIT_FAMILY
};

// The lists of values made last: one of 65536 takes up to a tenth of a second to make, and a file names its format
// with every tensor.
class RecentElements {
 public:
  std::optional<ElementFormat> find(std::string_view text) {
    const std::lock_guard lock(mutex_);
    for (const auto& [known, element] : slots_) {
      if (element.codebook && known == text) return element;
    }
    return std::nullopt;
  }

  void add(std::string_view text, const ElementFormat& element) {
    const std::lock_guard lock(mutex_);
    slots_[next_++ % slots_.size()] = {std::string(text), element};
  }

 private:
  std::mutex mutex_;
  std::array<std::pair<std::string, ElementFormat>, 16> slots_;
  size_t next_ = 0;
};

}  // namespace

ElementParse unknown_element() {
  ElementParse out;
  out.unknown = true;
  return out;
}

ElementParse wrong_element(size_t at, std::string problem) {
  ElementParse out;
  out.at = at;
  out.problem = std::move(problem);
  return out;
}

ElementParse found_element(const ElementFormat& element) {
  ElementParse out;
  out.ok = true;
  out.element = element;
  return out;
}

ElementParse parse_parametric(std::string_view text) {
  static auto& recent = *new RecentElements;  // never freed
  if (std::optional<ElementFormat> known = recent.find(text)) return found_element(*known);
  for (const Family& family : kFamilies) {
    if (!text.starts_with(family.prefix)) continue;
    ElementParse parsed = family.parse(text);
    if (parsed.ok && parsed.element.kind == ElementKind::codebook) recent.add(text, parsed.element);
    if (!parsed.unknown) return parsed;
  }
  return unknown_element();
}

std::span<const Family> families() { return kFamilies; }

std::string_view kind_name(ElementKind kind) {
  constexpr std::string_view kNames[] = {"float", "integer", "fixed", "codebook"};  // in the order of the enum
  return kNames[static_cast<size_t>(kind)];
}

std::string print(const ElementFormat& element) {
  if (const std::string_view name = name_of(element); !name.empty()) return std::string(name);
  switch (element.kind) {
    case ElementKind::codebook:
      return element.codebook->name;
    case ElementKind::integer:
      return fmt::format("{}int{}", element.is_signed ? "" : "u", element.bits);
    case ElementKind::fixed:
      return fmt::format("{}fix{}.{}", element.is_signed ? "" : "u", element.bits, element.fraction_bits);
    case ElementKind::floating:
      break;
  }
  return print_float(element);
}

}  // namespace lowbit::formats

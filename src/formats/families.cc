#include "formats/families.h"

#include "formats/codebook.h"

namespace lowbit::formats {
namespace {

constexpr Family kFamilies[] = {
#define LOWBIT_FAMILY(prefix, function, example, shape, source) {prefix, function, example, shape, source},
#include "formats/families.inc"
#undef LOWBIT_FAMILY
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
  for (const Family& family : kFamilies) {
    if (!text.starts_with(family.prefix)) continue;
    ElementParse parsed = family.parse(text);
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

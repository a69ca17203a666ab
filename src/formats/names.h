// The lists of names (formats.inc, codebooks.inc) as tables. Internal to the formats room.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/format.h"

namespace lowbit::formats {

// ASCII lower case: how every lookup compares.
std::string lower_case(std::string_view text);

// The element of a row LOWBIT_ELEMENT or LOWBIT_CODEBOOK by its name in lower case; null where there is none.
const ElementFormat* find_named_element(std::string_view name);
// The name of the row that means exactly this element; empty where there is none.
std::string_view name_of(const ElementFormat& element);

// The row LOWBIT_ALIAS or LOWBIT_SPELLING of this name in lower case; null where there is none.
const Alias* find_alias(std::string_view name);
// The published name of a block format; empty where there is none.
std::string_view alias_of(const Format& format);

// Up to three known names that a typing error may have meant, nearest first, joined by commas; else empty.
std::string nearest_names(std::string_view name);

// An element written by its parameters: e4m3fn, ue5m3, int4, fix8.4, posit8.2. Where the text has the shape of none
// of them, `unknown` is set; else problem and at (an offset into text) say what is wrong with it.
struct ElementParse {
  bool ok = false, unknown = false;
  ElementFormat element;
  size_t at = 0;
  std::string problem;
};
ElementParse parse_parametric(std::string_view text);

}  // namespace lowbit::formats

// The tables of filters, and what filters and methods of strings share.
#pragma once

#include <span>

#include "text/jinja/interpreter.h"

namespace lowbit::text::jinja {

std::span<const Row> text_filters();
std::span<const Row> sequence_filters();

std::string capitalize_text(std::string_view text);
// count < 0: all.
std::string replace_text(const Heap& heap, const std::string& text, const std::string& old, const std::string& with,
                         int64_t count);
std::string spaces(const Heap& heap, int64_t count);
std::string center_text(const Heap& heap, const std::string& text, int64_t width, const std::string& fill);
int64_t integer_of(const Value& value);

}  // namespace lowbit::text::jinja

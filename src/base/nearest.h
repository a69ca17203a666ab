// Names that a typing error may have meant.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lowbit {

// Letters to insert, remove, replace or swap with their neighbour, to make one text from the other.
size_t edit_distance(std::string_view a, std::string_view b);

// At most three of the names, nearest first; none that differs in more than a third of its letters (1 at least).
std::vector<std::string_view> nearest(std::string_view typed, std::span<const std::string_view> names);

// "; did you mean --temp?", or nothing.
std::string did_you_mean(std::string_view typed, std::span<const std::string_view> names);

}  // namespace lowbit

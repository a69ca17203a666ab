// Colour scales whose lightness falls steadily, so that they read without colour vision and in grey print.
#pragma once

#include <string>

namespace lowbit::report {

// Inline style (background and the better of black and white on it) for bits per weight: 2 (sand) to 8 (indigo).
std::string bits_style(double bits);

// The same for a share of the scale in [0, 1], sand to dark red: losses and errors.
std::string heat_style(double share);

// A CSS gradient over the scale, left to right.
std::string bits_gradient();
std::string heat_gradient();

}  // namespace lowbit::report

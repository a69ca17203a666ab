// Means and their standard errors.
#pragma once

#include <span>

namespace lowbit::eval {

// 0 where there is nothing.
double mean(std::span<const double> values);

// Of the mean, from the spread of the values as if they were independent; 0 for fewer than two.
double standard_error(std::span<const double> values);

}  // namespace lowbit::eval

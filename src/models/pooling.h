// From the hidden states of a text's tokens to one vector.
#pragma once

#include <span>
#include <vector>

#include "models/model.h"

namespace lowbit::models {

// The share of token t of n in the vector; the shares of a text add up to 1. Pooling::none counts as the mean.
double pooling_share(Pooling pooling, size_t t, size_t n);

// The sum of rows [n][width], each times its share, in double and in the order of the tokens.
std::vector<double> pool(std::span<const float> rows, size_t width, Pooling pooling);

}  // namespace lowbit::models

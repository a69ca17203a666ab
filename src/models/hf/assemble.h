// A target as a weight in lowbit's layout.
#pragma once

#include "io/model_file.h"
#include "models/hf/conversion.h"
#include "tensor/weight.h"

namespace lowbit::models::hf {

// Name, shape and parts. Vectors are f32; a matrix keeps the formats of its pieces, neighbours of one format in one
// part.
Result<io::TensorInfo> describe_target(const Target& target, const Matrices& matrices);

// Its values, row by row as the target has them. An error is a sentence without a file name.
Result<tensor::Weight> assemble(const Target& target, const io::TensorInfo& info, const Matrices& matrices);

}  // namespace lowbit::models::hf

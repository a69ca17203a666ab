// Bounds on what a file may ask for, so that memory stays in proportion to the file. Real models stay far below them.
#pragma once

#include <cstdint>

namespace lowbit::io {

// Values in the metadata of a model, each element of an array counted. A vocabulary of 262144 tokens with scores,
// types and merges has about 1.3 million.
constexpr uint64_t kMaxMetadataValues = uint64_t{1} << 22;

// Arrays within arrays in GGUF.
constexpr int kMaxMetadataDepth = 16;

// Arrays and objects within each other in JSON: deeper than any metadata with what is put around it.
constexpr int kMaxJsonDepth = 64;

// Header of a safetensors file, as its reference implementation bounds it.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

constexpr uint64_t kMaxTensors = uint64_t{1} << 20;

// Elements of one tensor; also keeps every size in bytes far from overflow.
constexpr uint64_t kMaxElements = uint64_t{1} << 40;

}  // namespace lowbit::io

// How far an encoder's sentence vectors are from a base's: the cosine of the two vectors of each text, and whether
// the texts' nearest neighbours stay the same, as a search by vectors would find them.
#pragma once

#include <string>
#include <vector>

#include "base/progress.h"
#include "runtime/sentence.h"

namespace lowbit::eval {

struct SimilarityOptions {
  bool reference = false;  // fp32 activations and cache for the model itself (the base always runs so)
  int64_t worst = 12;      // how many of the worst texts to keep
};

struct WorstText {
  int64_t line = 0;  // of the text, from 1
  double cosine = 0.0;
  std::string text;  // its beginning
};

struct SimilarityResult {
  int64_t texts = 0, tokens = 0;
  int64_t cut = 0;  // texts longer than the model reads
  double cosine_mean = 0.0, cosine_stderr = 0.0, cosine_min = 0.0;
  // Share of the texts whose nearest other text is the same by both; among the first kNeighbourTexts. Texts of equal
  // words count, the first of equally near ones is the nearest. No number (NaN) where there are fewer than 3 texts.
  double neighbour_agreement = 0.0, neighbour_stderr = 0.0;
  std::vector<double> cosines;  // one for each text
  std::vector<WorstText> worst;
};

constexpr int64_t kNeighbourTexts = 4096;  // every two of them are compared

// Each line of the text that is not blank is one text; a long one is cut to what the model reads. An error where one
// of the models is no encoder, where their vectors have other widths, or where there is no text.
Result<SimilarityResult> compare_vectors(const runtime::Engine& model, const runtime::Engine& base,
                                         const std::string& text, const SimilarityOptions& options,
                                         const graph::NumericPolicy& policy, const ProgressFn& progress = {});

// For each vector the nearest other one by cosine, the first of equally near ones.
std::vector<size_t> nearest_neighbours(std::span<const std::vector<float>> vectors, ThreadPool& pool);

}  // namespace lowbit::eval

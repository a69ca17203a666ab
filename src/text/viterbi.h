// The most likely segmentation of a text under a unigram model (Kudo 2018).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/token_table.h"

namespace lowbit::text {

class UnigramModel {
 public:
  UnigramModel() = default;
  // scores: by id. A character without a token costs 10 less than the least of the `least` score.
  UnigramModel(std::vector<std::pair<std::string, int32_t>> tokens, std::vector<double> scores, double least)
      : table_(std::move(tokens)), scores_(std::move(scores)), unknown_score_(least - kUnknownPenalty) {}

  struct Piece {
    size_t begin, end;
    int32_t id;  // -1: characters without a token
  };
  // Of a well-formed text. Neighbouring characters without a token are one piece where `fuse` says so.
  std::vector<Piece> segment(std::string_view text, bool fuse) const;

  int32_t find(std::string_view token) const { return table_.find(token); }

 private:
  static constexpr double kUnknownPenalty = 10;
  TokenTable table_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
};

}  // namespace lowbit::text

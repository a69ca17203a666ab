#include "text/viterbi.h"

#include <algorithm>
#include <limits>

#include "text/unicode.h"

namespace lowbit::text {

std::vector<UnigramModel::Piece> UnigramModel::segment(std::string_view text, bool fuse) const {
  struct Best {
    double score = -std::numeric_limits<double>::infinity();
    size_t begin = 0;
    int32_t id = -1;
    bool reached = false;
  };
  std::vector<Best> best(text.size() + 1);  // of the texts that end here
  best[0] = {0, 0, -1, true};
  const auto offer = [&](size_t begin, size_t end, int32_t id, double score) {
    if (!best[end].reached || score > best[end].score) best[end] = {score, begin, id, true};
  };
  for (size_t at = 0; at < text.size();) {
    const size_t length = char_length(text[at]);
    const double score = best[at].score;
    bool single = false;  // whether this character is a token
    table_.prefixes(text.substr(at), [&](size_t size, int32_t id) {
      offer(at, at + size, id, score + scores_[id]);
      single |= size == length;
    });
    if (!single) offer(at, at + length, -1, score + unknown_score_);
    at += length;
  }
  std::vector<Piece> out;
  for (size_t end = text.size(); end > 0; end = best[end].begin) {
    const Best& b = best[end];
    if (fuse && b.id < 0 && !out.empty() && out.back().id < 0) {
      out.back().begin = b.begin;
    } else {
      out.push_back({b.begin, end, b.id});
    }
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace lowbit::text

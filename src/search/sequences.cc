#include "search/sequences.h"

#include <algorithm>

#include "eval/perplexity.h"
#include "runtime/sentence.h"

namespace lowbit::search {
namespace {

using Lists = std::vector<std::vector<int32_t>>;

// The last `held` are held out.
Sequences divided(Lists all, size_t held) {
  Sequences out;
  out.probe.assign(all.end() - static_cast<std::ptrdiff_t>(std::min(held, all.size())), all.end());
  if (all.size() > held) all.resize(all.size() - held);
  out.calibration = std::move(all);
  return out;
}

Result<Lists> lines(const models::Model& model, const text::Tokenizer& tokenizer, const std::string& text,
                    int64_t tokens) {
  Lists all;
  int64_t count = 0;
  for (const std::string_view line : runtime::lines_of(text)) {
    if (count >= tokens) break;
    if (line.find_first_not_of(" \t\v\f") == std::string_view::npos) continue;
    LOWBIT_ASSIGN(runtime::SentenceIds ids, runtime::sentence_ids(model, tokenizer, line));
    count += std::ssize(ids.ids);
    all.push_back(std::move(ids.ids));
  }
  if (all.empty()) return errorf("the calibration text has no line that is not blank");
  return all;
}

}  // namespace

int64_t texts_with_tokens(const Lists& sequences, int64_t tokens) {
  int64_t count = 0, n = 0;
  for (const auto& sequence : sequences) {
    if (n > 0 && count >= tokens) break;
    count += std::ssize(sequence);
    ++n;
  }
  return n;
}

Result<Sequences> calibration_sequences(const models::Model& model, const text::Tokenizer& tokenizer,
                                        const std::string& text, const SequenceOptions& options) {
  const int64_t wanted = options.chunks + options.probe_chunks;
  if (!model.encoder) {
    LOWBIT_ASSIGN(Lists chunks, eval::chunk_tokens(tokenizer, text, options.context, wanted));
    return divided(std::move(chunks), static_cast<size_t>(options.probe_chunks));
  }
  LOWBIT_ASSIGN(Lists all, lines(model, tokenizer, text, wanted * options.context));
  Lists from_behind(all.rbegin(), all.rend());
  const auto held = texts_with_tokens(from_behind, options.probe_chunks * options.context);
  const size_t most = all.size() / 2;
  return divided(std::move(all), std::clamp<size_t>(static_cast<size_t>(held), 1, std::max<size_t>(most, 1)));
}

}  // namespace lowbit::search

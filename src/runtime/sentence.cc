#include "runtime/sentence.h"

#include <cmath>

#include "models/pooling.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace lowbit::runtime {
namespace {

// Texts [begin, end) that are read in one pass: kChunk tokens, or one text.
size_t end_of_batch(std::span<const SentenceIds> texts, size_t begin) {
  size_t end = begin, tokens = 0;
  do {
    tokens += texts[end++].ids.size();
  } while (end < texts.size() && tokens + texts[end].ids.size() <= static_cast<size_t>(kChunk));
  return end;
}

Result<std::vector<float>> vector_of(const models::Model& model, std::span<const float> rows, size_t width) {
  const std::vector<double> sum = models::pool(rows, width, model.pooling);
  double squares = 0.0;
  for (const double v : sum) squares += v * v;
  if (!std::isfinite(squares)) return errorf("the model's vectors are no finite numbers, so its weights are damaged");
  const double length = std::sqrt(squares);
  const double divisor = model.unit_vectors && length > 0.0 ? length : 1.0;
  std::vector<float> vector;
  for (const double v : sum) vector.push_back(static_cast<float>(v / divisor));
  return vector;
}

}  // namespace

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Result<SentenceIds> sentence_ids(const models::Model& model, const text::Tokenizer& tokenizer,
                                 std::string_view text) {
  if (!model.encoder) return errorf("a {} predicts tokens; sentence vectors need an encoder", model.architecture);
  SentenceIds out;
  std::string lowered;
  if (model.lower_case) text = lowered = text::lower_case_of_words(text::repair_utf8(text));
  out.ids = tokenizer.encode(text, {false, tokenizer.adds_bos(), &out.lost_bytes, tokenizer.adds_eos()});
  if (out.ids.empty()) return errorf("a text has no token in this vocabulary");
  const auto most = static_cast<size_t>(model.sentence_tokens);
  if (out.ids.size() <= most) return out;
  out.cut = static_cast<int64_t>(out.ids.size() - most);
  const int32_t last = out.ids.back();
  out.ids.resize(most);
  if (tokenizer.adds_eos()) out.ids.back() = last;
  return out;
}

Result<std::vector<std::vector<float>>> sentence_vectors(const models::Model& model, exec::Executor& executor,
                                                         std::span<const SentenceIds> texts,
                                                         const ProgressFn& progress) {
  const auto width = static_cast<size_t>(executor.vocabulary());
  std::vector<std::vector<float>> vectors;
  std::vector<float> hidden;
  for (size_t begin = 0; begin < texts.size();) {
    report_progress(progress, "reading texts", static_cast<double>(begin), static_cast<double>(texts.size()));
    const size_t end = end_of_batch(texts, begin);
    std::vector<exec::Cache> caches;
    for (size_t i = begin; i < end; ++i) caches.push_back(executor.new_cache(std::ssize(texts[i].ids)));
    std::vector<exec::Segment> segments;
    for (size_t i = begin; i < end; ++i) {
      segments.push_back({texts[i].ids, &caches[i - begin], std::ssize(texts[i].ids)});
    }
    LOWBIT_TRY(executor.forward(segments, hidden));
    const float* rows = hidden.data();
    for (; begin < end; ++begin) {
      const size_t count = texts[begin].ids.size() * width;
      LOWBIT_ASSIGN(std::vector<float> vector, vector_of(model, {rows, count}, width));
      vectors.push_back(std::move(vector));
      rows += count;
    }
  }
  return vectors;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0.0, aa = 0.0, bb = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa > 0.0 && bb > 0.0 ? dot / std::sqrt(aa * bb) : 0.0;
}

}  // namespace lowbit::runtime

#include "runtime/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace lowbit::runtime {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool cancelled(const GenerateOptions& options) { return options.cancel != nullptr && options.cancel->load(); }

// Text on its way out: passes on what cannot be part of a stop string any more.
class StopFilter {
 public:
  explicit StopFilter(const std::vector<std::string>& stops) : stops_(stops) {}

  // True where a stop string has come; `out` is what may be shown now.
  bool push(std::string_view piece, std::string& out) {
    held_ += piece;
    size_t first = std::string::npos;
    for (const std::string& stop : stops_) {
      if (!stop.empty()) first = std::min(first, held_.find(stop));
    }
    if (first != std::string::npos) {
      out = held_.substr(0, first);
      held_.clear();
      return true;
    }
    const size_t keep = longest_beginning();
    out = held_.substr(0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
    return false;
  }
  std::string rest() { return std::move(held_); }

 private:
  // Length of the longest end of held_ that begins a stop string.
  size_t longest_beginning() const {
    size_t longest = 0;
    for (const std::string& stop : stops_) {
      for (size_t n = std::min(stop.size(), held_.size()); n > longest; --n) {
        if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) longest = n;
      }
    }
    return longest;
  }

  const std::vector<std::string>& stops_;
  std::string held_;
};

}  // namespace

// Tokens to text, passed on in pieces.
class TextOut {
 public:
  TextOut(const text::Tokenizer& tokenizer, const std::vector<std::string>& stops,
          const std::function<void(std::string_view)>& on_text)
      : decoder_(tokenizer, false, true), filter_(stops), on_text_(on_text) {}

  // True where a stop string has come: no text comes after it, not even the rest of a token.
  bool push(int32_t id) {
    std::string piece;
    stopped_ = filter_.push(decoder_.push(id), piece);
    show(piece);
    return stopped_;
  }
  // The whole text, with what was held back.
  std::string finish() {
    if (stopped_) return std::move(text_);
    std::string piece;
    if (!filter_.push(decoder_.flush(), piece)) piece += filter_.rest();
    show(piece);
    return std::move(text_);
  }

 private:
  void show(const std::string& piece) {
    text_ += piece;
    if (on_text_ && !piece.empty()) on_text_(piece);
  }

  text::StreamDecoder decoder_;
  StopFilter filter_;
  const std::function<void(std::string_view)>& on_text_;
  std::string text_;
  bool stopped_ = false;
};

Session::Session(Engine& engine, int64_t context)
    : engine_(engine), cache_(engine.executor->new_cache(std::max<int64_t>(context, 1))) {}

Status Session::feed_piece(std::span<const int32_t> tokens, bool last) {
  const exec::Segment segment{tokens, &cache_, last ? 1 : 0};
  LOWBIT_TRY(engine_.executor->forward({&segment, 1}, logits_));
  history_.insert(history_.end(), tokens.begin(), tokens.end());
  if (std::all_of(logits_.begin(), logits_.end(), [](float v) { return std::isfinite(v); })) return {};
  return errorf("{}: after {} tokens the model's logits are no finite numbers, so its weights are damaged",
                engine_.opened.file->path(), cache_.length());
}

Result<int64_t> Session::feed(std::span<const int32_t> tokens, const GenerateOptions& options) {
  const bool watched = options.cancel != nullptr || options.progress;
  const auto total = static_cast<int64_t>(tokens.size()), piece = watched ? kWatchedChunk : kChunk;
  int64_t fed = 0;
  while (fed < total && !cancelled(options)) {
    report_progress(options.progress, "reading the prompt", static_cast<double>(fed), static_cast<double>(total));
    const int64_t count = std::min(piece, total - fed);
    LOWBIT_TRY(
        feed_piece(tokens.subspan(static_cast<size_t>(fed), static_cast<size_t>(count)), fed + count == total));
    fed += count;
  }
  report_progress(options.progress, "reading the prompt", static_cast<double>(total), static_cast<double>(total));
  return fed;
}

// The loop from logits to the finish reason.
Status Session::decode(const GenerateOptions& options, TextOut& out, Generation& result) {
  Sampler sampler(options.sampling);
  const text::Tokenizer& tokenizer = *engine_.tokenizer;
  const std::span<const int32_t> ends = tokenizer.end_of_turn();
  const auto tokens = static_cast<size_t>(tokenizer.size());  // rows beyond are padding
  for (;;) {
    if (options.max_tokens >= 0 && static_cast<int64_t>(result.ids.size()) >= options.max_tokens) {
      result.finish_reason = "length";
      return {};
    }
    if (cancelled(options)) {
      result.finish_reason = "cancelled";
      return {};
    }
    const int32_t id = sampler.sample(std::span(logits_).first(tokens), history_);
    if (std::find(ends.begin(), ends.end(), id) != ends.end()) {
      result.finish_reason = "stop";
      return {};
    }
    result.ids.push_back(id);
    if (out.push(id)) {
      result.finish_reason = "stop";
      return {};
    }
    if (cache_.length() == cache_.capacity()) {
      result.finish_reason = "context";
      return {};
    }
    LOWBIT_TRY(feed_piece({&id, 1}, true));
  }
}

Result<Generation> Session::generate(std::span<const int32_t> prompt, const GenerateOptions& options,
                                     const std::function<void(std::string_view)>& on_text) {
  Generation result;
  const auto count = static_cast<int64_t>(prompt.size());
  if (prompt.empty()) return errorf("the prompt is empty: give at least one token");
  if (cache_.length() + count > cache_.capacity()) {
    return errorf("the prompt has {} tokens and {} are held already; the context has room for {}", count,
                  cache_.length(), cache_.capacity());
  }
  auto start = std::chrono::steady_clock::now();
  LOWBIT_ASSIGN(result.prompt_tokens, feed(prompt, options));
  result.prefill_seconds = seconds_since(start);
  if (result.prompt_tokens < count) {
    result.finish_reason = "cancelled";
    return result;
  }
  TextOut out(*engine_.tokenizer, options.stop, on_text);
  start = std::chrono::steady_clock::now();
  LOWBIT_TRY(decode(options, out, result));
  result.decode_seconds = seconds_since(start);
  result.text = out.finish();
  return result;
}

}  // namespace lowbit::runtime

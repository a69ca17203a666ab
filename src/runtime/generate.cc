#include "runtime/generate.h"

#include <algorithm>
#include <chrono>

namespace lowbit::runtime {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

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

Session::Session(Engine& engine, int64_t context)
    : engine_(engine), cache_(engine.executor->new_cache(std::max<int64_t>(context, 1))) {}

Status Session::feed(std::span<const int32_t> tokens, std::vector<float>& logits) {
  for (size_t begin = 0; begin < tokens.size(); begin += kChunk) {
    const size_t count = std::min<size_t>(kChunk, tokens.size() - begin);
    const bool last = begin + count == tokens.size();
    const exec::Segment segment{tokens.subspan(begin, count), &cache_, last ? 1 : 0};
    LOWBIT_TRY(engine_.executor->forward({&segment, 1}, logits));
  }
  history_.insert(history_.end(), tokens.begin(), tokens.end());
  return {};
}

Result<Generation> Session::generate(std::span<const int32_t> prompt, const GenerateOptions& options,
                                     const std::function<void(std::string_view)>& on_text) {
  Generation result;
  result.prompt_tokens = static_cast<int64_t>(prompt.size());
  if (prompt.empty()) return errorf("the prompt is empty: give at least one token");
  if (cache_.length() + result.prompt_tokens > cache_.capacity()) {
    return errorf("the prompt has {} tokens and {} are held already; the context has room for {}", prompt.size(),
                  cache_.length(), cache_.capacity());
  }
  std::vector<float> logits;
  auto start = std::chrono::steady_clock::now();
  LOWBIT_TRY(feed(prompt, logits));
  result.prefill_seconds = seconds_since(start);

  Sampler sampler(options.sampling);
  text::StreamDecoder decoder(*engine_.tokenizer, false, true);
  StopFilter filter(options.stop);
  const auto emit = [&](std::string_view piece) {
    std::string out;
    const bool found = filter.push(piece, out);
    result.text += out;
    if (on_text && !out.empty()) on_text(out);
    return found;
  };
  const std::span<const int32_t> ends = engine_.tokenizer->end_of_turn();
  start = std::chrono::steady_clock::now();
  bool stopped = false;  // by a stop string: no text comes after it, not even the rest of a token
  for (;;) {
    if (options.max_tokens >= 0 && static_cast<int64_t>(result.ids.size()) >= options.max_tokens) {
      result.finish_reason = "length";
      break;
    }
    if (options.cancel != nullptr && options.cancel->load()) {
      result.finish_reason = "cancelled";
      break;
    }
    const int32_t id = sampler.sample(logits, history_);
    if (std::find(ends.begin(), ends.end(), id) != ends.end()) {
      result.finish_reason = "stop";
      break;
    }
    result.ids.push_back(id);
    if (emit(decoder.push(id))) {
      result.finish_reason = "stop";
      stopped = true;
      break;
    }
    if (cache_.length() == cache_.capacity()) {
      result.finish_reason = "context";
      break;
    }
    LOWBIT_TRY(feed({&id, 1}, logits));
  }
  result.decode_seconds = seconds_since(start);
  if (stopped) return result;
  const std::string rest = decoder.flush();
  if (!rest.empty()) emit(rest);
  const std::string held = filter.rest();
  result.text += held;
  if (on_text && !held.empty()) on_text(held);
  return result;
}

}  // namespace lowbit::runtime

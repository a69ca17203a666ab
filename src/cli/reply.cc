#include "cli/reply.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

namespace lowbit::cli {
namespace {

constexpr int kExitInterrupted = 130;
constexpr int64_t kUsualContext = 4096;

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void on_interrupt(int) {
  if (interrupted.exchange(true)) _exit(kExitInterrupted);
}

double rate(int64_t tokens, double seconds) {
  return tokens > 0 && seconds > 0.0 ? static_cast<double>(tokens) / seconds : 0.0;
}

std::string reason_text(const runtime::Generation& generation, int64_t context) {
  if (generation.finish_reason == "stop") return "the model ended it, or a stop text came";
  if (generation.finish_reason == "length") return "as many tokens as asked for";
  if (generation.finish_reason == "context") {
    return fmt::format("the context of {} tokens is full (--ctx sets it)", context);
  }
  return generation.finish_reason;
}

}  // namespace

Interrupt::Interrupt() {
  interrupted = false;
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;  // a write that it comes upon goes on
  sigaction(SIGINT, &action, nullptr);
}

Interrupt::~Interrupt() { std::signal(SIGINT, SIG_DFL); }

const std::atomic<bool>* Interrupt::flag() const { return &interrupted; }

Result<int64_t> context_length(int64_t asked, int64_t prompt, int64_t needed, int64_t trained) {
  if (asked > 0) {
    if (trained > 0 && asked > trained) {
      return errorf("--ctx {} is more than the {} tokens that the model was trained for", asked, trained);
    }
    return asked;
  }
  // Without a bound of the reply: the usual length, and for a long prompt as much again.
  const int64_t wanted = needed >= 0 ? needed : std::max(kUsualContext, 2 * prompt);
  return std::max<int64_t>(1, trained > 0 ? std::min(wanted, trained) : wanted);
}

ProgressFn prompt_progress(ProgressBar& bar) {
  const ProgressFn show = bar.callback();
  if (!show) return {};
  return [&bar, show](std::string_view stage, double done, double total) {
    show(stage, done, total);
    if (done >= total) bar.clear();
  };
}

Json generation_json(const runtime::Generation& generation, int64_t context) {
  return {{"prompt_tokens", generation.prompt_tokens},
          {"ids", generation.ids},
          {"text", generation.text},
          {"finish_reason", generation.finish_reason},
          {"prefill_tokens_per_s", rate(generation.prompt_tokens, generation.prefill_seconds)},
          {"decode_tokens_per_s", rate(static_cast<int64_t>(generation.ids.size()), generation.decode_seconds)},
          {"prefill_seconds", generation.prefill_seconds},
          {"decode_seconds", generation.decode_seconds},
          {"context", context}};
}

std::string generation_summary(const runtime::Generation& generation, int64_t context) {
  const auto tokens = static_cast<int64_t>(generation.ids.size());
  return fmt::format("{} prompt tokens at {:.1f}/s, {} generated at {:.1f}/s; ended: {}", generation.prompt_tokens,
                     rate(generation.prompt_tokens, generation.prefill_seconds), tokens,
                     rate(tokens, generation.decode_seconds), reason_text(generation, context));
}

void write_piece(std::string_view piece) {
  std::fwrite(piece.data(), 1, piece.size(), stdout);
  std::fflush(stdout);
}

}  // namespace lowbit::cli

// lowbit run MODEL -p PROMPT
#include <cstdio>
#include <limits>

#include "cli/chat_options.h"
#include "cli/command.h"
#include "cli/open_model.h"
#include "cli/policy_options.h"
#include "cli/reply.h"
#include "cli/sampling_options.h"
#include "cli/text_input.h"
#include "text/chat_prompt.h"

namespace lowbit::cli {
namespace {

constexpr int64_t kUsualTokens = 256;

struct RunArguments {
  ModelArguments model;
  std::string prompt;
  ChatArguments conversation;
  SamplingArguments sampling;
  PolicyOptions policy;
  int64_t context = 0;
  bool chat = false, raw = false, json = false;
};

Result<std::vector<int32_t>> prompt_ids(const RunArguments& arguments, const runtime::Engine& engine) {
  std::string prompt = arguments.prompt;
  if (prompt == "-") {
    LOWBIT_ASSIGN(prompt, read_input("-"));
  }
  const text::Tokenizer& tokenizer = *engine.tokenizer;
  uint64_t lost = 0;
  std::vector<int32_t> ids;
  if (arguments.chat) {
    LOWBIT_ASSIGN(const auto chat_template, arguments.conversation.open_template(*engine.opened.file));
    LOWBIT_ASSIGN(const auto options, arguments.conversation.chat_options());
    std::vector<text::Message> messages;
    if (!arguments.conversation.system.empty()) messages.push_back({"system", arguments.conversation.system});
    messages.push_back({"user", prompt});
    LOWBIT_ASSIGN(const auto written, text::write_chat(chat_template, tokenizer, text::to_json(messages), options));
    ids = written.encode(tokenizer, 0, &lost);
  } else {
    ids = tokenizer.encode(prompt, {false, tokenizer.adds_bos(), &lost});
  }
  if (lost > 0) fmt::print(stderr, "lowbit: {} bytes of the prompt have no token in this vocabulary\n", lost);
  return ids;
}

Status run(const RunArguments& arguments) {
  ProgressBar bar;
  LOWBIT_ASSIGN(const auto engine,
                open_engine(arguments.model, arguments.policy.policy(), arguments.policy.pool(), bar));
  LOWBIT_ASSIGN(const auto ids, prompt_ids(arguments, *engine));
  runtime::GenerateOptions options = arguments.sampling.generate_options();
  const auto prompt = static_cast<int64_t>(ids.size());
  const int64_t most = std::numeric_limits<int64_t>::max() - prompt;
  const int64_t needed = options.max_tokens < 0 ? -1 : prompt + std::min(options.max_tokens, most);
  LOWBIT_ASSIGN(const int64_t context,
                context_length(arguments.context, prompt, needed, engine->opened.model.context));

  runtime::Session session(*engine, context);
  const Interrupt interrupt;
  options.cancel = interrupt.flag();
  const bool stream = !arguments.json;
  options.progress = prompt_progress(bar);
  auto generated = session.generate(ids, options, [&](std::string_view piece) {
    if (stream) write_piece(piece);
  });
  bar.clear();
  LOWBIT_ASSIGN(const auto generation, std::move(generated));
  if (arguments.json) {
    print_json(generation_json(generation, context));
    return {};
  }
  if (generation.text.empty() || generation.text.back() != '\n') write_piece("\n");
  fmt::print(stderr, "{}\n", generation_summary(generation, context));
  return {};
}

}  // namespace

Action run_command(Options& options) {
  const auto arguments = std::make_shared<RunArguments>();
  arguments->sampling.max_tokens = kUsualTokens;
  arguments->model.add_to(options);
  options
      .option("-p,--prompt", "PROMPT", text(arguments->prompt), "the beginning of the text; - reads standard input")
      .required = true;
  options.flag("--chat", arguments->chat, "the prompt is a message in the model's chat template");
  options.flag("--raw", arguments->raw, "the prompt is plain text (this is the default)");
  arguments->conversation.add_to(options);
  arguments->sampling.add_to(options);
  options.option("--ctx", "N", integer(arguments->context, 1, std::numeric_limits<int32_t>::max()),
                 "tokens that the cache holds (as many as needed, at most 4096 or what the model was trained for)");
  arguments->policy.add_to(options);
  add_json_option(options, arguments->json);
  options.check([a = arguments.get()]() -> Status {
    if (a->chat && a->raw) return errorf("--chat and --raw exclude each other");
    const std::string given = a->conversation.given();
    if (!given.empty() && !a->chat) return errorf("{} goes with --chat", given);
    return {};
  });
  return [arguments] { return run(*arguments); };
}

}  // namespace lowbit::cli

// lowbit chat MODEL
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <limits>

#include "cli/chat_options.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/open_model.h"
#include "cli/policy_options.h"
#include "cli/reply.h"
#include "cli/sampling_options.h"

namespace lowbit::cli {
namespace {

struct TalkArguments {
  ModelArguments model;
  ChatArguments conversation;
  SamplingArguments sampling;
  PolicyOptions policy;
  int64_t context = 0;
  bool json = false;
};

// The next line; false at the end of the input. The mark stands on standard error where both ends are a terminal.
bool read_line(std::string& line) {
  if (isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1) {
    fmt::print(stderr, "> ");
    std::fflush(stderr);
  }
  return static_cast<bool>(std::getline(std::cin, line));
}

// One turn: the reply is streamed and kept.
Result<Json> take_turn(Conversation& conversation, const std::string& message, const TalkArguments& arguments,
                       int64_t context, ProgressBar& bar) {
  const Interrupt interrupt;
  runtime::GenerateOptions options = arguments.sampling.generate_options();
  options.cancel = interrupt.flag();
  options.progress = prompt_progress(bar);
  auto result = conversation.reply(message, options, [&](std::string_view piece) {
    if (!arguments.json) write_piece(piece);
  });
  bar.clear();
  LOWBIT_ASSIGN(const auto reply, std::move(result));
  if (!arguments.json) {
    write_piece(reply.text.empty() || reply.text.back() != '\n' ? "\n" : "");
    fmt::print(stderr, "{}\n", generation_summary(reply, context));
  }
  if (reply.finish_reason == "context") {
    fmt::print(stderr, "the context of {} tokens is full: /reset begins anew, --ctx sets its length\n", context);
  }
  Json turn = generation_json(reply, context);
  turn["prompt"] = message;
  return turn;
}

Status chat(const TalkArguments& arguments) {
  ProgressBar bar;
  LOWBIT_ASSIGN(const auto engine,
                open_engine(arguments.model, arguments.policy.policy(), arguments.policy.pool(), bar));
  LOWBIT_ASSIGN(const int64_t context, context_length(arguments.context, 0, -1, engine->opened.model.context));
  const ChatArguments& given = arguments.conversation;
  LOWBIT_ASSIGN(auto chat_template, given.open_template(*engine->opened.file));
  LOWBIT_ASSIGN(auto options, given.chat_options());
  Conversation conversation(*engine, {std::move(chat_template), std::move(options), given.system}, context);
  if (isatty(STDIN_FILENO) == 1) fmt::print(stderr, "/reset forgets the conversation, /quit or Ctrl-D ends it\n");
  // In front of a terminal an error is said at once and all goes on; a script learns of the first at the end.
  const bool terminal = isatty(STDIN_FILENO) == 1;
  Status outcome;
  Json turns = Json::array();
  for (std::string line; read_line(line);) {
    if (line == "/quit") break;
    if (line == "/reset") {
      conversation.reset();
      continue;
    }
    if (line.empty()) continue;
    auto turn = take_turn(conversation, line, arguments, context, bar);
    if (turn.ok()) {
      turns.push_back(std::move(*turn));
      continue;
    }
    turns.push_back({{"prompt", line}, {"error", turn.message()}});
    if (terminal) {
      fmt::print(stderr, "lowbit: {}; /reset begins anew\n", turn.message());
    } else if (outcome.ok()) {
      outcome = errorf("message {}: {}", turns.size(), turn.message());
    }
  }
  if (arguments.json) print_json({{"turns", turns}});
  return outcome;
}

}  // namespace

Action chat_command(Options& options) {
  const auto arguments = std::make_shared<TalkArguments>();
  arguments->sampling.sampling.temperature = 0.7;
  arguments->sampling.sampling.top_p = 0.9;
  arguments->model.add_to(options);
  arguments->conversation.add_to(options);
  arguments->sampling.add_to(options);
  options.option("--ctx", "N", integer(arguments->context, 1, std::numeric_limits<int32_t>::max()),
                 "tokens that the conversation may have (4096, or what the model was trained for)");
  arguments->policy.add_to(options);
  add_json_option(options, arguments->json);
  return [arguments] { return chat(*arguments); };
}

}  // namespace lowbit::cli

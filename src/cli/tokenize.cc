// lowbit tokenize MODEL [FILE]
#include <cstdio>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/open_model.h"
#include "cli/text_input.h"
#include "io/model_file.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

struct TokenizeArguments {
  std::string model, file = "-";
  bool no_bos = false, json = false;
};

Status tokenize(const TokenizeArguments& arguments) {
  ProgressBar bar;
  LOWBIT_ASSIGN(const std::string path, find_model(arguments.model, bar));
  LOWBIT_ASSIGN(const auto file, io::open_model(path));
  LOWBIT_ASSIGN(const auto tokenizer, text::Tokenizer::from_metadata(file->metadata(), path));
  LOWBIT_ASSIGN(const std::string input, read_input(arguments.file));
  uint64_t lost = 0;
  const auto ids = tokenizer.encode(input, {false, !arguments.no_bos && tokenizer.adds_bos(), &lost});
  if (lost > 0) fmt::print(stderr, "lowbit: {} bytes of the text have no token in this vocabulary\n", lost);
  if (arguments.json) {
    Json tokens = Json::array();
    for (const int32_t id : ids) tokens.push_back(tokenizer.token_bytes(id));
    print_json({{"ids", ids}, {"tokens", tokens}, {"text", tokenizer.decode(ids)}, {"lost_bytes", lost}});
    return {};
  }
  for (const int32_t id : ids) fmt::print("{:>7}  {}\n", id, json_text(tokenizer.token_bytes(id)));
  return {};
}

}  // namespace

Action tokenize_command(Options& options) {
  const auto arguments = std::make_shared<TokenizeArguments>();
  add_model_argument(options, arguments->model);
  options.positional("FILE", text(arguments->file), "the text; without it, or as -, standard input", false).offer =
      Offer::files;
  options.flag("--no-bos", arguments->no_bos, "no beginning-of-sequence token, where the model wants one");
  add_json_option(options, arguments->json);
  return [arguments] { return tokenize(*arguments); };
}

}  // namespace lowbit::cli

// lowbit tokenize MODEL [FILE]
#include <cstdio>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/open_model.h"
#include "cli/text_input.h"
#include "models/open.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

struct TokenizeArguments {
  ModelArguments model;
  std::string file = "-";
  bool no_bos = false, json = false;
};

// Of a model, or a tokenizer.json alone.
Result<text::Tokenizer> open_tokenizer(const ModelArguments& model) {
  ProgressBar bar;
  LOWBIT_ASSIGN(const std::string path, find_model(model.name, bar));
  if (path.ends_with(".json")) {
    LOWBIT_ASSIGN(const std::string written, read_input(path));
    nlohmann::json metadata = {{text::kHuggingFaceJson, written}};
    return text::Tokenizer::from_metadata(metadata, path, model.pre_tokenizer);
  }
  LOWBIT_ASSIGN(const auto file, models::open_file(path));
  return text::Tokenizer::from_metadata(file->metadata(), path, model.pre_tokenizer);
}

Status tokenize(const TokenizeArguments& arguments) {
  LOWBIT_ASSIGN(const auto tokenizer, open_tokenizer(arguments.model));
  LOWBIT_ASSIGN(const std::string input, read_input(arguments.file));
  uint64_t lost = 0;
  const bool around = !arguments.no_bos;
  const auto ids =
      tokenizer.encode(input, {false, around && tokenizer.adds_bos(), &lost, around && tokenizer.adds_eos()});
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
  arguments->model.add_to(options);
  options.positional("FILE", text(arguments->file), "the text; without it, or as -, standard input", false).offer =
      Offer::files;
  options.flag("--no-bos", arguments->no_bos,
               "no token in front and none behind (beginning and end of sequence), where the model wants them");
  add_json_option(options, arguments->json);
  return [arguments] { return tokenize(*arguments); };
}

}  // namespace lowbit::cli

// lowbit embed MODEL [-p TEXT]... [FILE]
#include <fmt/ranges.h>

#include <cstdio>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/open_model.h"
#include "cli/policy_options.h"
#include "cli/text_input.h"
#include "io/npy.h"
#include "runtime/sentence.h"

namespace lowbit::cli {
namespace {

struct EmbedArguments {
  ModelArguments model;
  std::string file, out;
  std::vector<std::string> texts;
  PolicyOptions policy;
  bool json = false;
};

// Those of -p, then the lines of the file, or of standard input where there is neither.
Result<std::vector<std::string>> texts_of(const EmbedArguments& arguments) {
  std::vector<std::string> texts = arguments.texts;
  if (arguments.file.empty() && !texts.empty()) return texts;
  LOWBIT_ASSIGN(const std::string input, read_input(arguments.file.empty() ? "-" : arguments.file));
  for (const std::string_view line : runtime::lines_of(input)) texts.emplace_back(line);
  return texts;
}

// As rows of an array, as JSON, or a line of numbers each.
Status write_vectors(const EmbedArguments& arguments, const std::vector<std::vector<float>>& vectors, int64_t width) {
  if (!arguments.out.empty()) {
    std::vector<float> all;
    for (const auto& vector : vectors) all.insert(all.end(), vector.begin(), vector.end());
    LOWBIT_TRY(io::write_npy(arguments.out, {{std::ssize(vectors), width}, std::move(all)}));
  }
  if (arguments.json) {
    Json result = {{"texts", vectors.size()}, {"dimension", width}};
    if (arguments.out.empty()) result["vectors"] = vectors;
    print_json(result);
  } else if (arguments.out.empty()) {
    for (const auto& vector : vectors) fmt::print("{}\n", fmt::join(vector, " "));
  }
  return {};
}

Status embed(const EmbedArguments& arguments) {
  ProgressBar bar;
  LOWBIT_ASSIGN(const auto engine,
                open_engine(arguments.model, arguments.policy.policy(), arguments.policy.pool(), bar));
  const models::Model& model = engine->opened.model;
  if (!model.encoder) {
    return errorf("{}: {} predicts tokens; embed wants an encoder", arguments.model.name, model.architecture);
  }
  LOWBIT_ASSIGN(const auto texts, texts_of(arguments));
  std::vector<runtime::SentenceIds> ids;
  int64_t cut = 0;
  for (const std::string& text : texts) {
    auto read = runtime::sentence_ids(model, *engine->tokenizer, text);
    if (!read.ok()) return errorf("text {}: {}", ids.size() + 1, read.message());
    cut += read->cut > 0 ? 1 : 0;
    ids.push_back(std::move(read).value());
  }
  auto read = runtime::sentence_vectors(model, *engine->executor, ids, bar.callback());
  bar.clear();
  LOWBIT_ASSIGN(const auto vectors, std::move(read));
  if (cut > 0) {
    fmt::print(stderr, "lowbit: {} of {} texts cut to the {} tokens that the model reads\n", cut, texts.size(),
               model.sentence_tokens);
  }
  return write_vectors(arguments, vectors, engine->executor->vocabulary());
}

}  // namespace

Action embed_command(Options& options) {
  const auto arguments = std::make_shared<EmbedArguments>();
  arguments->model.add_to(options);
  options.positional("FILE", text(arguments->file), "texts, one a line; - reads standard input", false).offer =
      Offer::files;
  options.option("-p,--prompt", "TEXT", append(arguments->texts), "a text; may be repeated").repeated = true;
  options.option("-o,--out", "X.npy", text(arguments->out), "the vectors as rows of an array, in place of text")
      .offer = Offer::files;
  arguments->policy.add_to(options);
  add_json_option(options, arguments->json);
  return [arguments] { return embed(*arguments); };
}

}  // namespace lowbit::cli

// lowbit embed MODEL [-p TEXT]... [FILE]
#include <cmath>
#include <cstdio>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/open_model.h"
#include "cli/policy_options.h"
#include "cli/text_input.h"
#include "io/npy.h"

namespace lowbit::cli {
namespace {

struct EmbedArguments {
  std::string model, file, out;
  std::vector<std::string> texts;
  PolicyOptions policy;
  bool json = false;
};

// Those of -p, then the lines of the file, or of standard input where there is neither.
Result<std::vector<std::string>> texts_of(const EmbedArguments& arguments) {
  std::vector<std::string> texts = arguments.texts;
  if (arguments.file.empty() && !texts.empty()) return texts;
  LOWBIT_ASSIGN(const std::string input, read_input(arguments.file.empty() ? "-" : arguments.file));
  for (size_t at = 0; at < input.size();) {
    const size_t end = std::min(input.find('\n', at), input.size());
    const size_t last = end > at && input[end - 1] == '\r' ? end - 1 : end;
    texts.push_back(input.substr(at, last - at));
    at = end + 1;
  }
  return texts;
}

// One vector of the hidden states [tokens][width], of length 1.
std::vector<float> pooled(const std::vector<float>& hidden, size_t width, models::Pooling pooling) {
  const size_t tokens = hidden.size() / width;
  const bool mean = pooling == models::Pooling::mean || pooling == models::Pooling::none;
  const size_t begin = pooling == models::Pooling::last ? tokens - 1 : 0;
  const size_t end = mean ? tokens : begin + 1;
  std::vector<double> sum(width);
  for (size_t t = begin; t < end; ++t) {
    for (size_t i = 0; i < width; ++i) sum[i] += static_cast<double>(hidden[t * width + i]);
  }
  double squares = 0.0;
  for (const double value : sum) squares += value * value;
  const double scale = squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0;
  std::vector<float> vector(width);
  for (size_t i = 0; i < width; ++i) vector[i] = static_cast<float>(sum[i] * scale);
  return vector;
}

Result<std::vector<float>> embed_text(const runtime::Engine& engine, const std::string& text) {
  const text::Tokenizer& tokenizer = *engine.tokenizer;
  std::vector<int32_t> ids = tokenizer.encode(text, {false, tokenizer.adds_bos(), nullptr, tokenizer.adds_eos()});
  const models::Model& model = engine.opened.model;
  if (ids.empty()) return errorf("a text has no token: {}", json_text(text));
  if (const auto most = static_cast<size_t>(model.context); ids.size() > most) {
    fmt::print(stderr, "lowbit: a text of {} tokens is cut to the {} that the model reads\n", ids.size(), most);
    const int32_t last = ids.back();
    ids.resize(most);
    if (tokenizer.adds_eos()) ids.back() = last;
  }
  const auto count = static_cast<int64_t>(ids.size());
  exec::Cache cache = engine.executor->new_cache(count);
  const exec::Segment segment{ids, &cache, count};
  std::vector<float> hidden;
  LOWBIT_TRY(engine.executor->forward({&segment, 1}, hidden));
  return pooled(hidden, static_cast<size_t>(engine.executor->vocabulary()), model.pooling);
}

Status embed(const EmbedArguments& arguments) {
  ProgressBar bar;
  LOWBIT_ASSIGN(const auto engine,
                open_engine(arguments.model, arguments.policy.policy(), arguments.policy.pool(), bar));
  if (!engine->opened.model.encoder) {
    return errorf("{}: {} predicts tokens; embed wants an encoder", arguments.model,
                  engine->opened.model.architecture);
  }
  LOWBIT_ASSIGN(const auto texts, texts_of(arguments));
  const int64_t width = engine->executor->vocabulary();
  std::vector<float> all;
  Json vectors = Json::array();
  for (const std::string& text : texts) {
    LOWBIT_ASSIGN(const auto vector, embed_text(*engine, text));
    all.insert(all.end(), vector.begin(), vector.end());
    if (arguments.json) {
      vectors.push_back(vector);
    } else if (arguments.out.empty()) {
      fmt::print("{}\n", fmt::join(vector, " "));
    }
  }
  if (!arguments.out.empty()) {
    const auto rows = static_cast<int64_t>(texts.size());
    LOWBIT_TRY(io::write_npy(arguments.out, {{rows, width}, std::move(all)}));
  }
  if (arguments.json) print_json({{"vectors", vectors}, {"dimension", width}});
  return {};
}

}  // namespace

Action embed_command(Options& options) {
  const auto arguments = std::make_shared<EmbedArguments>();
  add_model_argument(options, arguments->model);
  options.positional("FILE", text(arguments->file), "texts, one a line; - reads standard input", false).offer =
      Offer::files;
  options.option("-p,--prompt", "TEXT", append(arguments->texts), "a text; may be repeated").repeated = true;
  options.option("--out", "X.npy", text(arguments->out), "the vectors as rows of an array").offer = Offer::files;
  arguments->policy.add_to(options);
  add_json_option(options, arguments->json);
  return [arguments] { return embed(*arguments); };
}

}  // namespace lowbit::cli

// A folder of a model that was read from a GGUF or from lowbit's own file.
#include <algorithm>
#include <cmath>

#include "io/utf8.h"
#include "models/hf/folder_image.h"
#include "models/hf/model.h"
#include "models/hf/quant.h"
#include "text/hf_import.h"

namespace lowbit::models::hf {
namespace {

using nlohmann::json;

// Of models that predict tokens; encoders have heads and poolings that no GGUF keeps.
constexpr std::string_view kCausal = "ForCausalLM";
constexpr std::string_view kPrefix = "model.";

// Sizes that say nothing beyond the tensors, or are stated by other keys.
constexpr std::string_view kImplied[] = {"vocab_size",
                                         "attention.key_length",
                                         "attention.value_length",
                                         "rope.dimension_count",
                                         "rope.scaling.type",
                                         "rope.scaling.factor",
                                         "attention.head_count_kv",
                                         "rope.freq_base",
                                         "rope.freq_base_swa",
                                         "attention.sliding_window_pattern",
                                         "expert_feed_forward_length"};

Error needs_folder(const io::ModelFile& source, std::string_view why) {
  return errorf("{}: {}; quantize the model's Hugging Face folder instead", source.path(), why);
}

Result<const ModelRow*> row_of(const io::ModelFile& source) {
  const std::string architecture = source.metadata().value("general.architecture", "");
  const bool window = source.metadata().contains(architecture + ".attention.sliding_window");
  const ModelRow* found = nullptr;
  for (const ModelRow& row : model_rows()) {
    if (row.architecture != architecture || !row.name.ends_with(kCausal)) continue;
    // Llama and Mistral are one architecture of GGUF; only the latter has a window.
    if (found == nullptr || (window && row.type == "mistral")) found = &row;
  }
  if (found != nullptr) return found;
  return needs_folder(source, fmt::format("architecture {} is not known well enough to make a folder of it",
                                          io::shown(architecture)));
}

std::vector<std::string> names_of(const Conversion::Rules& rules, const io::TensorInfo& info) {
  const bool experts = info.shape.size() == 3;
  const std::string name = checkpoint_name(rules, info.name, experts);
  if (name.empty()) return {};
  const std::string whole = name.starts_with("lm_head") ? name : std::string(kPrefix) + name;
  if (!experts) return {whole};
  std::vector<std::string> names;
  const size_t at = whole.find("{}");
  for (int64_t e = 0; e < info.shape[0]; ++e) {
    names.push_back(whole.substr(0, at) + std::to_string(e) + whole.substr(at + 2));
  }
  return names;
}

// Matrices without data, under the names that a checkpoint of the source would have.
Matrices matrices_of(const io::ModelFile& source, const Conversion::Rules& rules) {
  Matrices matrices;
  for (const io::TensorInfo& info : source.tensors()) {
    for (const std::string& name : names_of(rules, info)) {
      auto matrix = std::make_unique<ComputedMatrix>();
      matrix->name = name;
      matrix->format = *formats::parse_format("f32");
      matrix->shape = {info.shape.begin() + (info.shape.size() == 3 ? 1 : 0), info.shape.end()};
      matrices.push_back(std::move(matrix));
    }
  }
  return matrices;
}

bool same_value(const json& a, const json& b) {
  if (!a.is_number() || !b.is_number()) return a == b;
  return static_cast<float>(a.get<double>()) == static_cast<float>(b.get<double>());
}

// Whether the keys that config.json gives are the source's, and say all that those say.
Status check_keys(const io::ModelFile& source, const std::string& architecture, const json& forward) {
  const json& metadata = source.metadata();
  for (const auto& [key, value] : forward.items()) {
    const auto given = metadata.find(key);
    if (given == metadata.end() || same_value(*given, value)) continue;
    return needs_folder(source, fmt::format("metadata key {} is {}, and config.json would make it {}", key,
                                            given->dump(), value.dump()));
  }
  for (const auto& [key, value] : metadata.items()) {
    if (!key.starts_with(architecture + ".") || forward.contains(key)) continue;
    const std::string_view rest = std::string_view(key).substr(architecture.size() + 1);
    if (std::ranges::find(kImplied, rest) != std::end(kImplied)) continue;
    return needs_folder(source, fmt::format("metadata key {} has no counterpart in config.json that is known", key));
  }
  return {};
}

// The values of a vector that config.json says.
Result<std::vector<float>> vector_of(const io::ModelFile& source, const std::string& name) {
  const int64_t index = source.find(name);
  if (index < 0) return std::vector<float>();
  LOWBIT_ASSIGN(const tensor::Weight weight, source.load(static_cast<size_t>(index)));
  return tensor::dequantize(weight);
}

bool are_close(std::span<const float> a, std::span<const float> b) {
  constexpr float kRounding = 1e-6f;  // of another program's arithmetic
  return std::ranges::equal(a, b, [](float x, float y) { return std::abs(x - y) <= kRounding * std::abs(y); });
}

// Llama 3 says its frequency factors by four numbers; GGUF keeps the factors. Those that models were published with
// are tried.
Status add_frequencies(const io::ModelFile& source, const ModelRow& row, json& config) {
  LOWBIT_ASSIGN(const std::vector<float> factors, vector_of(source, "rope_freqs.weight"));
  if (factors.empty()) return {};
  for (int64_t original = 32; original <= 131072; original *= 2) {
    config["rope_scaling"] = {{"rope_type", "llama3"},
                              {"factor", factors.back()},
                              {"low_freq_factor", 1.0},
                              {"high_freq_factor", 4.0},
                              {"original_max_position_embeddings", original}};
    json numbers = config;
    Matrices none;
    Conversion c(std::string(row.architecture), HfConfig(numbers, "config.json"), none);
    if (!c.rotation().ok() || c.targets.empty()) continue;
    if (are_close(c.targets[0].values, factors)) return {};
  }
  return needs_folder(source, "the frequency factors of tensor rope_freqs.weight are not those of Llama 3");
}

Status check_targets(const io::ModelFile& source, const std::vector<Target>& targets) {
  for (const io::TensorInfo& info : source.tensors()) {
    const auto target = std::ranges::find(targets, info.name, &Target::name);
    if (target != targets.end() && target->shape == info.shape) continue;
    return needs_folder(source,
                        fmt::format("tensor {} has no place in a checkpoint that is known", io::shown(info.name)));
  }
  return {};
}

std::string dtype_of_model(const io::ModelFile& source) {
  const int64_t index = source.find("token_embd.weight");
  const std::string format =
      index < 0 ? "" : formats::print(source.tensors()[static_cast<size_t>(index)].parts[0].format);
  return format == "f32" ? "float32" : format == "f16" ? "float16" : "bfloat16";
}

Status add_tokenizer(const io::ModelFile& source, FolderImage& image) {
  LOWBIT_ASSIGN(const text::HfTokenizerFiles files, text::hf_files_from_metadata(source.metadata(), source.path()));
  if (files.tokenizer.empty()) return {};
  image.files.push_back({"tokenizer.json", files.tokenizer, ""});
  json config = files.config;
  if (image.config.contains("max_position_embeddings")) {
    config["model_max_length"] = image.config["max_position_embeddings"];
  }
  image.files.push_back({"tokenizer_config.json", config.dump(2) + "\n", ""});
  image.files.push_back({"generation_config.json", files.generation.dump(2) + "\n", ""});
  if (!files.chat_template.empty()) image.files.push_back({"chat_template.jinja", files.chat_template, ""});
  image.config.update(files.generation);
  return {};
}

}  // namespace

Result<FolderImage> image_of_metadata(const io::ModelFile& source) {
  LOWBIT_ASSIGN(const ModelRow* row, row_of(source));
  const std::string architecture(row->architecture);
  FolderImage image;
  image.config = {{"architectures", {row->name}}, {"model_type", row->type}};
  Conversion backward(architecture, source.metadata(), image.config, source.find("output.weight") < 0);
  if (const Status done = row->convert(backward); !done.ok()) return needs_folder(source, done.message());
  LOWBIT_TRY(add_frequencies(source, *row, image.config));
  const Matrices matrices = matrices_of(source, backward.rules());
  Conversion forward(architecture, HfConfig(image.config, "config.json"), matrices);
  if (const Status done = row->convert(forward); !done.ok()) return needs_folder(source, done.message());
  LOWBIT_TRY(check_keys(source, architecture, forward.metadata));
  LOWBIT_TRY(check_targets(source, forward.targets));
  for (const Target& target : forward.targets) {
    FolderPlace place;
    place.heads = target.heads;
    place.plus = target.plus;
    for (const Piece& piece : target.pieces) place.names.push_back(matrices[piece.matrix]->name);
    image.places.emplace(target.name, std::move(place));
  }
  const int64_t embedding = source.find("token_embd.weight");
  if (embedding >= 0) image.config["vocab_size"] = source.tensors()[static_cast<size_t>(embedding)].shape[0];
  // Of architectures that may have them or not.
  image.config["attention_bias"] = source.find("blk.0.attn_q.bias") >= 0;
  image.config["mlp_bias"] = source.find("blk.0.ffn_up.bias") >= 0;
  image.config["dtype"] = dtype_of_model(source);
  image.config["torch_dtype"] = image.config["dtype"];
  LOWBIT_TRY(add_tokenizer(source, image));
  return image;
}

}  // namespace lowbit::models::hf

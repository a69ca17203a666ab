#include "models/hf/model.h"

#include <fmt/ranges.h>

#include <filesystem>

#include "io/utf8.h"
#include "models/blocks.h"
#include "models/hf/assemble.h"
#include "models/hf/quant.h"
#include "models/hf/sentence.h"
#include "text/hf_export.h"

namespace lowbit::models::hf {

#define LOWBIT_HF_MODEL(name, type, architecture, convert) Status convert(Conversion& c);
#include "models/hf/models.inc"
#undef LOWBIT_HF_MODEL

namespace {

using nlohmann::json;

constexpr ModelRow kRows[] = {
#define LOWBIT_HF_MODEL(name, type, architecture, convert) {name, type, architecture, convert},
#include "models/hf/models.inc"
#undef LOWBIT_HF_MODEL
};

// By the class in "architectures"; where there is none, by "model_type".
Result<const ModelRow*> find_row(const HfConfig& config) {
  const auto classes = config.values().find("architectures");
  std::string name;
  if (classes != config.values().end() && classes->is_array() && !classes->empty() && (*classes)[0].is_string()) {
    name = (*classes)[0].get<std::string>();
  }
  LOWBIT_ASSIGN(const std::string type, config.text("model_type", ""));
  std::vector<std::string_view> known;
  for (const ModelRow& row : kRows) {
    if (name.empty() ? row.type == type : row.name == name) return &row;
    known.push_back(row.name);
  }
  return config.error("architectures", io::shown(name.empty() ? type : name),
                      fmt::format("one of {}", fmt::join(known, ", ")));
}

// What a folder says of its tokenizer, in one configuration: names that tokenizer_config.json lacks stand in
// special_tokens_map.json.
json tokenizer_configuration(const json& metadata) {
  json out = metadata.value(io::kHfTokenizerConfig, json::object());
  if (!metadata.contains(io::kHfSpecialTokens)) return out;
  for (const auto& [key, value] : metadata.at(io::kHfSpecialTokens).items()) {
    if (!out.contains(key) || out[key].is_null()) out[key] = value;
  }
  return out;
}

// The first id of a number or a list under a key of a document; null where it has none.
json first_id(const json& metadata, const char* document, const char* key) {
  const auto found = metadata.find(document);
  if (found == metadata.end()) return nullptr;
  json ids = found->value(key, json());
  if (ids.is_array()) ids = ids.empty() ? json() : json(ids[0]);
  return ids.is_number_unsigned() ? ids : json();
}

Status add_tokenizer(const io::Checkpoint& checkpoint, json& out) {
  const json& metadata = checkpoint.metadata();
  const auto text = metadata.find(io::kHfTokenizer);
  if (text != metadata.end()) {
    const std::string configuration =
        tokenizer_configuration(metadata).dump(-1, ' ', false, json::error_handler_t::replace);
    LOWBIT_ASSIGN(const json keys, text::metadata_from_hf(text->get_ref<const std::string&>(), configuration,
                                                          checkpoint.path() + "/tokenizer.json"));
    out.update(keys);
    for (const char* document : {io::kHfGenerationConfig, io::kHfConfig}) {
      for (const auto& [from, to] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                     std::pair{"eos_token_id", "tokenizer.ggml.eos_token_id"}}) {
        json id = first_id(metadata, document, from);
        if (!out.contains(to) && !id.is_null()) out[to] = std::move(id);
      }
    }
  }
  const auto chat = metadata.find(io::kHfChatTemplate);
  if (chat != metadata.end()) out["tokenizer.chat_template"] = *chat;
  return {};
}

class HfModel final : public HfModelFile {
 public:
  explicit HfModel(std::shared_ptr<const io::Checkpoint> checkpoint) : checkpoint_(std::move(checkpoint)) {}

  Status read();

  const std::string& path() const override { return checkpoint_->path(); }
  uint64_t file_bytes() const override { return checkpoint_->file_bytes(); }
  std::vector<std::string> files() const override { return checkpoint_->files(); }
  std::string_view kind() const override { return checkpoint_->kind(); }
  const json& metadata() const override { return metadata_; }
  std::span<const io::TensorInfo> tensors() const override { return tensors_; }
  const io::Checkpoint& checkpoint() const override { return *checkpoint_; }
  std::span<const Target> targets() const override { return targets_; }
  const Matrices& matrices() const override { return matrices_; }

  Result<tensor::Weight> load(size_t index) const override {
    LOWBIT_CHECK(index < targets_.size());
    auto weight = assemble(targets_[index], tensors_[index], matrices_);
    if (!weight.ok()) return errorf("{}: tensor {}: {}", path(), targets_[index].name, weight.message());
    return weight;
  }
  void release(size_t index) const override {
    for (const Piece& piece : targets_[index].pieces) {
      for (const size_t tensor : matrices_[piece.matrix]->stored_as) checkpoint_->release(tensor);
    }
  }

 private:
  std::shared_ptr<const io::Checkpoint> checkpoint_;
  json metadata_;
  Matrices matrices_;
  std::vector<Target> targets_;
  std::vector<io::TensorInfo> tensors_;
};

Status HfModel::read() {
  const json& documents = checkpoint_->metadata();
  const HfConfig config(documents.at(io::kHfConfig), "config.json");
  const auto in_folder = [&](const Status& status) -> Status {
    return status.ok() ? status : Status(errorf("{}: {}", path(), status.message()));
  };
  auto row = find_row(config);
  if (!row.ok()) return errorf("{}: {}", path(), row.message());
  auto matrices = hf::read_matrices(checkpoint_, config);
  if (!matrices.ok()) return errorf("{}: {}", path(), matrices.message());
  matrices_ = std::move(matrices).value();
  Conversion conversion(std::string((*row)->architecture), config, matrices_);
  LOWBIT_TRY(in_folder((*row)->convert(conversion)));
  LOWBIT_TRY(in_folder(add_sentence_vectors(documents, conversion)));
  metadata_ = std::move(conversion.metadata);
  metadata_["general.architecture"] = (*row)->architecture;
  const std::filesystem::path folder = std::filesystem::path(path()).lexically_normal();
  metadata_["general.name"] = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  LOWBIT_TRY(add_tokenizer(*checkpoint_, metadata_));
  targets_ = std::move(conversion.targets);
  for (const Target& target : targets_) {
    LOWBIT_ASSIGN(io::TensorInfo info, describe_target(target, matrices_));
    tensors_.push_back(std::move(info));
  }
  return {};
}

}  // namespace

std::span<const ModelRow> model_rows() { return kRows; }

Result<std::shared_ptr<const io::ModelFile>> open(std::shared_ptr<const io::Checkpoint> checkpoint) {
  auto file = std::make_shared<HfModel>(std::move(checkpoint));
  LOWBIT_TRY(file->read());
  return std::shared_ptr<const io::ModelFile>(std::move(file));
}

}  // namespace lowbit::models::hf

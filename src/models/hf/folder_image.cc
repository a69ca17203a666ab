#include "models/hf/folder_image.h"

#include <algorithm>
#include <filesystem>

#include "io/checkpoint.h"
#include "io/utf8.h"
#include "models/hf/model.h"

namespace lowbit::models::hf {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// What stands beside config.json and the weights, and is true of the quantized model too.
constexpr std::string_view kCopied[] = {"generation_config.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "tokenizer.model",
                                        "vocab.json",
                                        "vocab.txt",
                                        "merges.txt",
                                        "chat_template.jinja",
                                        "chat_template.json",
                                        "preprocessor_config.json",
                                        "processor_config.json",
                                        "modules.json",
                                        "1_Pooling/config.json",
                                        "sentence_bert_config.json",
                                        "config_sentence_transformers.json"};

std::vector<io::FolderFile> copied_files(const std::string& folder) {
  std::vector<io::FolderFile> files;
  for (const std::string_view name : kCopied) {
    const std::string path = (fs::path(folder) / fs::path(name)).string();
    std::error_code failed;
    if (fs::is_regular_file(path, failed)) files.push_back({std::string(name), "", path});
  }
  return files;
}

// Experts of one tensor, as the tensors of one expert each that every program reads.
std::vector<std::string> expert_names(const std::string& stacked, const Target& target) {
  constexpr std::string_view kExperts = "experts.";
  const std::string stem = stacked.substr(0, stacked.rfind(kExperts) + kExperts.size());
  const bool down = target.name.find("ffn_down") != target.name.npos;
  const bool up = target.name.find("ffn_up") != target.name.npos;
  std::vector<std::string> names;
  for (int64_t e = 0; e < target.shape[0]; ++e) {
    names.push_back(fmt::format("{}{}.{}.weight", stem, e, down ? "down_proj" : up ? "up_proj" : "gate_proj"));
  }
  return names;
}

FolderPlace place_of(const Target& target, const HfModelFile& model) {
  const Matrices& matrices = model.matrices();
  FolderPlace place;
  place.heads = target.heads;
  place.plus = target.plus;
  for (const Piece& piece : target.pieces) {
    const Matrix& matrix = *matrices[piece.matrix];
    if (matrix.shape.size() > 2) {
      place.names = expert_names(matrix.name, target);
      break;
    }
    place.names.push_back(matrix.name);
    if (target.shape.size() > 1) continue;
    place.vector = formats::print(matrix.format);
    const std::string_view dtype = model.checkpoint().dtype(matrix.stored_as[0]);
    if (dtype == io::dtype_of_format(place.vector)) place.original = model.checkpoint().bytes(matrix.stored_as[0]);
  }
  return place;
}

// Whether the rest of the folder lacks nothing without it: a head that is the embedding, tables that are computed.
bool is_implied(const std::string& name) { return name.ends_with("lm_head.weight") || name.ends_with(".inv_freq"); }

Status add_copied(const HfModelFile& model, FolderImage& image) {
  std::vector<bool> placed(model.checkpoint().tensors().size(), false);
  for (const Target& target : model.targets()) {
    for (const Piece& piece : target.pieces) {
      for (const size_t index : model.matrices()[piece.matrix]->stored_as) placed[index] = true;
    }
  }
  const io::Checkpoint& checkpoint = model.checkpoint();
  for (size_t i = 0; i < placed.size(); ++i) {
    const io::TensorInfo& info = checkpoint.tensors()[i];
    if (placed[i] || is_implied(info.name)) continue;
    const bool plain = !info.parts.empty() && info.parts[0].format.element.bits >= 16;
    if (!plain && !info.parts.empty()) {
      return errorf(
          "{}: tensor {} is quantized and belongs to a part of the model that is not read; it cannot be copied",
          checkpoint.path(), io::shown(info.name));
    }
    image.copied.push_back(
        {info.name, std::string(checkpoint.dtype(i)), {info.shape.begin(), info.shape.end()}, checkpoint.bytes(i)});
  }
  return {};
}

Result<FolderImage> image_of_folder(const HfModelFile& model) {
  const io::Checkpoint& checkpoint = model.checkpoint();
  FolderImage image;
  image.config = checkpoint.metadata().at(io::kHfConfig);
  image.config.erase("quantization_config");
  std::error_code failed;
  const fs::path path(checkpoint.path());
  image.files = copied_files(fs::is_directory(path, failed) ? path.string() : path.parent_path().string());
  for (const Target& target : model.targets()) image.places.emplace(target.name, place_of(target, model));
  LOWBIT_TRY(add_copied(model, image));
  return image;
}

}  // namespace

Result<FolderImage> image_of(std::shared_ptr<const io::ModelFile> source) {
  const auto* folder = dynamic_cast<const HfModelFile*>(source.get());
  if (folder == nullptr) {
    LOWBIT_ASSIGN(FolderImage made, image_of_metadata(*source));
    made.source = std::move(source);
    return made;
  }
  LOWBIT_ASSIGN(FolderImage image, image_of_folder(*folder));
  image.source = std::move(source);
  return image;
}

}  // namespace lowbit::models::hf

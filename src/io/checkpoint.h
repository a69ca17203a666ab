// Safetensors files of other programs: one, or the shards of one model, with the tensors as they lie. It knows
// neither architectures nor what tensors belong together.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/model_file.h"
#include "io/source.h"

namespace lowbit::io {

// Keys of the metadata of a checkpoint: the files of a Hugging Face folder, parsed, but for texts.
constexpr const char* kHfConfig = "huggingface.config";
constexpr const char* kHfGenerationConfig = "huggingface.generation_config";
constexpr const char* kHfTokenizer = "huggingface.tokenizer";  // text
constexpr const char* kHfTokenizerConfig = "huggingface.tokenizer_config";
constexpr const char* kHfSpecialTokens = "huggingface.special_tokens_map";
constexpr const char* kHfChatTemplate = "huggingface.chat_template";  // text
// Of sentence-transformers: how a text becomes a vector, the list of modules, how long a text may be.
constexpr const char* kHfPooling = "huggingface.pooling";
constexpr const char* kHfModules = "huggingface.modules";
constexpr const char* kHfSentence = "huggingface.sentence_bert_config";
constexpr const char* kHfQuantization = "huggingface.quantize_config";

class Checkpoint final : public ModelFile {
 public:
  // file_of: for each tensor the index of its shard, or empty where there is no index of shards. An error where a
  // tensor occurs twice, or where shards and index disagree. read: the files that metadata and file_of came from.
  static Result<std::shared_ptr<const Checkpoint>> open(std::string path, std::vector<Source> shards,
                                                        const std::map<std::string, size_t>& file_of,
                                                        nlohmann::json metadata, std::vector<std::string> read);

  const std::string& path() const override { return path_; }
  uint64_t file_bytes() const override { return file_bytes_; }
  std::vector<std::string> files() const override;
  std::string_view kind() const override { return "safetensors checkpoint"; }
  const nlohmann::json& metadata() const override { return metadata_; }
  // Names and shapes as in the files ([] is a single value); a dtype that is no format of weights (integers of more
  // than 8 bits, booleans) has no part.
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  // Values of F64 become the nearest of f32. An error for dtypes without a format.
  Result<tensor::Weight> load(size_t index) const override;
  void release(size_t index) const override;

  std::string_view dtype(size_t index) const { return places_[index].dtype; }
  // As they lie in the file, of any alignment.
  std::span<const std::byte> bytes(size_t index) const;

 private:
  struct Place {
    size_t shard = 0;
    std::string dtype;
    uint64_t begin = 0;
  };
  Status add(size_t shard, const std::map<std::string, size_t>& file_of);

  std::string path_;
  std::vector<Source> shards_;
  std::vector<std::string> read_;
  uint64_t file_bytes_ = 0;
  nlohmann::json metadata_;
  std::vector<TensorInfo> tensors_;
  std::vector<Place> places_;
  std::map<std::string, size_t> names_;
};

// The format of a safetensors dtype as a string of the format language; empty where it has none. F64 is f32.
std::string_view format_of_dtype(std::string_view dtype);
// The other way: "bf16" -> "BF16"; empty where there is none.
std::string_view dtype_of_format(std::string_view format);

}  // namespace lowbit::io

// What a Hugging Face folder of a model looks like: its files, and where in it each tensor under its name of GGUF
// lies. Of a source that is such a folder this is what was read, of any other what the rules of its architecture say.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "io/checkpoint_writer.h"
#include "io/model_file.h"

namespace lowbit::models::hf {

struct Target;

struct FolderPlace {
  // With ".weight" or ".bias"; one, or one for each expert; none: config.json says the values.
  std::vector<std::string> names;
  int64_t heads = 0;                    // see Target
  float plus = 0.0f;                    // see Target
  std::string vector = "f32";           // the format of a vector that the model has in f32
  std::span<const std::byte> original;  // the bytes of such a vector, where it is read from a folder
};

// A tensor that is copied as it is: what a model has beside the part that is read (heads for training, eyes).
struct CopiedTensor {
  std::string name, dtype;
  std::vector<uint64_t> shape;
  std::span<const std::byte> bytes;
};

struct FolderImage {
  nlohmann::json config;  // config.json without quantization
  std::vector<io::FolderFile> files;
  std::map<std::string, FolderPlace, std::less<>> places;
  std::vector<CopiedTensor> copied;
  std::shared_ptr<const io::ModelFile> source;  // owns what is copied
};

// Of a source that is no folder: config.json from its metadata, and the names that the rules of its architecture
// give. Both are read forwards again, and an error says where the source would not come out.
Result<FolderImage> image_of_metadata(const io::ModelFile& source);

// Errors name the file.
Result<FolderImage> image_of(std::shared_ptr<const io::ModelFile> source);

}  // namespace lowbit::models::hf

// From the names and keys of a Hugging Face checkpoint to those of GGUF: what the files of architectures share.
#pragma once

#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/hf/config.h"
#include "models/hf/matrix.h"

namespace lowbit::models::hf {

enum class Change { none, permute_q, permute_k };

// "layers.{}.self_attn.q_proj" -> "blk.{}.attn_q"; what follows ".weight" or ".bias" stays. A second {} is the number
// of an expert, stacked into one tensor. An empty name: not needed.
struct NameRule {
  std::string_view pattern, name;
  Change change = Change::none;
};

// Rows [begin, begin + rows) of a matrix.
struct Piece {
  size_t matrix = 0;
  int64_t begin = 0, rows = 0;
};

// A tensor under its name of GGUF.
struct Target {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<Piece> pieces;
  int64_t heads = 0;          // rows of halves of each of so many heads become neighbours; 0: as they are
  float plus = 0.0f;          // added to each value of a vector
  std::vector<float> values;  // a vector that no file holds
};

// It runs forwards, from config.json and the names of a checkpoint to keys and names of GGUF; and backwards, where
// what is copied or expected below is written to config.json from the keys of GGUF, and place() only notes the rules.
class Conversion {
 public:
  Conversion(std::string architecture, HfConfig config, const Matrices& matrices)
      : config(std::move(config)), architecture_(std::move(architecture)), matrices_(matrices) {}
  // Backwards; both are borrowed. config sees what is written. tied: whether the head is the embedding.
  Conversion(std::string architecture, const nlohmann::json& given, nlohmann::json& written, bool tied)
      : config(written, "config.json"),
        architecture_(std::move(architecture)),
        matrices_(no_matrices()),
        given_(&given),
        written_(&written),
        tied_(tied) {}
  bool is_backwards() const { return written_ != nullptr; }

  HfConfig config;
  nlohmann::json metadata = nlohmann::json::object();
  std::vector<Target> targets;

  // A key of the architecture; numbers are rounded to f32 as GGUF has them.
  void set(const std::string& key, const nlohmann::json& value);
  // The value of a key of config.json under a key of GGUF.
  Status copy_integer(const std::string& from, const std::string& to, int64_t least, int64_t most);
  Status copy_number(const std::string& from, const std::string& to, double least, double most);
  // The same of a key that may be absent.
  Status copy_optional_integer(const std::string& from, const std::string& to, int64_t least, int64_t most);
  // An error unless the key of config.json is absent or has this value.
  Status expect(const std::string& key, const nlohmann::json& value);
  // Backwards: the value of a key of GGUF, null where it is absent; a key of config.json.
  nlohmann::json given(const std::string& key) const;
  void write(const std::string& key, const nlohmann::json& value);

  // Sizes, the epsilon of RMS norms and the activation that all decoders have.
  Status decoder_sizes(const std::string& activation_key = "hidden_act", const std::string& activation = "silu");
  // Base and scaling of rotary positions.
  Status rotation();
  // Places every matrix by the first rule that fits its name; one that none fits is an error. norm_plus: added to the
  // weights of norms.
  Status place(std::span<const NameRule> own, std::span<const NameRule> shared, float norm_plus = 0.0f);
  // Whether the head is the embedding; then the file's head, if any, is not placed. Before place().
  Status tie(bool fallback);

  // A vector that no file holds.
  void add_vector(const std::string& name, std::vector<float> values);

  struct Rules {
    std::span<const NameRule> own, shared;
  };
  // Those of place().
  const Rules& rules() const { return rules_; }

 private:
  static const Matrices& no_matrices();
  Status copy_back(const std::string& from, const std::string& to);
  Status sizes_back();
  Status rotation_back();
  Status llama3(const HfConfig& rope, double base);
  Status longrope(const HfConfig& rope);
  Result<int64_t> head_dim() const;
  Status put(size_t matrix, const NameRule& rule, const std::vector<std::string>& numbers, std::string_view suffix,
             float plus);
  Status put_experts(size_t matrix, const std::string& name);
  Status check_experts();

  std::string architecture_;
  const Matrices& matrices_;
  const nlohmann::json* given_ = nullptr;
  nlohmann::json* written_ = nullptr;
  bool tied_ = false;
  Rules rules_;
  std::map<std::string, std::map<int64_t, size_t>> experts_;  // name -> number -> matrix
};

// The name in the checkpoint of a tensor of GGUF, without prefix; "{}" in it stands for the number of an expert.
// Empty where no rule has it. The inverse of place().
std::string checkpoint_name(const Conversion::Rules& rules, std::string_view tensor, bool experts);

// Rules of the layers that decoders of the llama kind have.
std::span<const NameRule> decoder_rules();

}  // namespace lowbit::models::hf

// Architectures: metadata and names of tensors -> graph. One file per architecture, one row in models.inc.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/named_list.h"
#include "base/result.h"
#include "graph/graph.h"

namespace lowbit::models {

// How the hidden states of a text's tokens become one vector; none where a model does not say.
enum class Pooling { none, mean, first, last };

// What the rest of the house may ask of a model beyond its graph.
struct Model {
  std::string architecture;  // "llama"
  std::string name;          // general.name, for people
  graph::Graph graph;        // shapes inferred, no casts
  int64_t context = 0;       // trained context length
  int32_t layers = 0;
  int64_t vocabulary = 0;
  // An encoder gives the hidden states of all tokens in place of logits; its vector of a text pools them.
  bool encoder = false;
  Pooling pooling = Pooling::none;
  bool unit_vectors = true;         // its vectors are brought to length 1
  bool lower_case = false;          // its vectors are those of a text in lower case, whatever the tokenizer does
  int64_t sentence_tokens = 0;      // of a text that its vector reads; at most context
  std::vector<std::string> unused;  // tensors that the architecture knows and does not need
};

// What a file offers, as far as an architecture needs to know.
struct Source {
  std::string path;                // for error sentences
  const nlohmann::json* metadata;  // GGUF key names
  struct Tensor {
    std::string name;
    std::vector<int64_t> shape;
  };
  NamedList<Tensor> tensors;

  const Tensor* find(std::string_view name) const { return tensors.find(name); }
};

// Builds the graph of the architecture that "general.architecture" names, and checks that every parameter is there
// with the expected shape. Errors name the file, the key or tensor, what was found and what was expected.
Result<Model> build(const Source& source);

// Names of the architectures, for help and error sentences.
std::vector<std::string_view> architectures();

}  // namespace lowbit::models

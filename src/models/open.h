// A model file together with its graph: what every command that works on a model starts from.
#pragma once

#include <memory>
#include <string>

#include "base/progress.h"
#include "base/threads.h"
#include "io/model_file.h"
#include "models/model.h"
#include "tensor/weight.h"

namespace lowbit::models {

struct OpenedModel {
  std::shared_ptr<const io::ModelFile> file;
  Model model;
};

// Opens a model file of any kind, with the names, keys and weights of GGUF.
Result<std::shared_ptr<const io::ModelFile>> open_file(const std::string& path);

// Opens the file, builds the graph and checks every parameter. No weight is read yet.
Result<OpenedModel> open(const std::string& path);
// The same of a file that is open.
Result<OpenedModel> open(std::shared_ptr<const io::ModelFile> file);

// All parameters of the graph in lowbit's layout; views where the file holds them so.
// Of several errors the one of the first parameter.
Result<tensor::Weights> load_weights(const OpenedModel& opened, ThreadPool& pool, const ProgressFn& progress = {});

// One parameter.
Result<std::shared_ptr<const tensor::Weight>> load_weight(const OpenedModel& opened, const std::string& name);

// Formats of a parameter's parts, as insert_casts wants them.
std::vector<formats::Format> formats_of(const tensor::Weights& weights, const std::string& name);

}  // namespace lowbit::models

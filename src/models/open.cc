#include "models/open.h"

#include <mutex>
#include <optional>
#include <vector>

#include "models/hf/model.h"

namespace lowbit::models {

Result<std::shared_ptr<const io::ModelFile>> open_file(const std::string& path) {
  LOWBIT_ASSIGN(auto file, io::open_model(path));
  auto checkpoint = std::dynamic_pointer_cast<const io::Checkpoint>(file);
  if (checkpoint != nullptr) return hf::open(std::move(checkpoint));
  return file;
}

Result<OpenedModel> open(const std::string& path) {
  LOWBIT_ASSIGN(auto file, open_file(path));
  return open(std::move(file));
}

Result<OpenedModel> open(std::shared_ptr<const io::ModelFile> file) {
  OpenedModel opened;
  opened.file = std::move(file);
  if (opened.file->tensors().empty()) {
    return errorf("{}: holds no tensor, only a vocabulary at most (lowbit tokenize reads it)", opened.file->path());
  }
  Source source;
  source.path = opened.file->path();
  source.metadata = &opened.file->metadata();
  for (const io::TensorInfo& tensor : opened.file->tensors()) source.tensors.push_back({tensor.name, tensor.shape});
  LOWBIT_ASSIGN(opened.model, build(source));
  return opened;
}

Result<std::shared_ptr<const tensor::Weight>> load_weight(const OpenedModel& opened, const std::string& name) {
  const int64_t index = opened.file->find(name);
  if (index < 0) return errorf("{}: tensor {} is missing", opened.file->path(), name);
  LOWBIT_ASSIGN(tensor::Weight weight, opened.file->load(static_cast<size_t>(index)));
  opened.file->release(static_cast<size_t>(index));
  return std::shared_ptr<const tensor::Weight>(std::make_shared<tensor::Weight>(std::move(weight)));
}

Result<tensor::Weights> load_weights(const OpenedModel& opened, ThreadPool& pool, const ProgressFn& progress) {
  const auto& parameters = opened.model.graph.parameters;
  const auto count = std::ssize(parameters);
  std::vector<std::optional<Result<std::shared_ptr<const tensor::Weight>>>> loaded(parameters.size());
  std::mutex mutex;
  int64_t done = 0, bad = count;  // bad: the first that failed
  pool.parallel_for(count, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      {
        const std::lock_guard lock(mutex);
        if (i > bad) continue;
      }
      auto& weight = loaded[static_cast<size_t>(i)];
      weight = load_weight(opened, parameters[static_cast<size_t>(i)].name);
      const std::lock_guard lock(mutex);
      if (!weight->ok()) bad = std::min(bad, i);
      report_progress(progress, "loading", static_cast<double>(++done), static_cast<double>(count));
    }
  });
  tensor::Weights weights;
  for (size_t i = 0; i < parameters.size(); ++i) {
    LOWBIT_ASSIGN(weights[parameters[i].name], std::move(*loaded[i]));
  }
  return weights;
}

std::vector<formats::Format> formats_of(const tensor::Weights& weights, const std::string& name) {
  std::vector<formats::Format> formats;
  for (const tensor::PackedMatrix& part : weights.at(name)->parts) formats.push_back(part.format());
  return formats;
}

}  // namespace lowbit::models

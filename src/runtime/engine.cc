#include "runtime/engine.h"

#include "base/memory.h"
#include "tensor/copy_weights.h"

namespace lowbit::runtime {

Result<std::unique_ptr<exec::Executor>> Engine::executor_for(const graph::NumericPolicy& policy, Isa isa) const {
  graph::Graph graph = graph::insert_casts(
      opened.model.graph, policy, [&](const std::string& name) { return models::formats_of(weights, name); });
  return exec::Executor::create(std::move(graph), weights, pool, isa);
}

// Pages of a file's map are small: a tenth to a fifth of the speed of decoding. Where there is no room for both, the
// weights stay where they are.
Status Engine::settle_weights() {
  uint64_t bytes = 0;
  for (const auto& [name, weight] : weights) bytes += weight->bytes();
  if (bytes > available_memory() / 4 * 3) return {};
  LOWBIT_ASSIGN(weights, tensor::copy_weights(std::move(weights), *pool));
  return {};
}

Result<std::unique_ptr<Engine>> Engine::open(const std::string& path, const EngineOptions& options,
                                             const ProgressFn& progress) {
  auto engine = std::make_unique<Engine>();
  LOWBIT_ASSIGN(engine->opened, models::open(path));
  LOWBIT_ASSIGN(engine->tokenizer,
                text::Tokenizer::from_metadata(engine->opened.file->metadata(), path, options.pre_tokenizer));
  if (engine->tokenizer->size() > engine->opened.model.vocabulary) {
    return errorf("{}: the tokenizer has {} tokens, but the embedding only {} rows", path, engine->tokenizer->size(),
                  engine->opened.model.vocabulary);
  }
  engine->pool = options.pool ? options.pool : std::make_shared<ThreadPool>(options.threads);
  LOWBIT_ASSIGN(engine->weights, models::load_weights(engine->opened, *engine->pool, progress));
  LOWBIT_TRY(engine->settle_weights());
  LOWBIT_ASSIGN(engine->executor, engine->executor_for(options.policy, options.isa));
  return engine;
}

}  // namespace lowbit::runtime

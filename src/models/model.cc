#include "models/model.h"

#include <fmt/ranges.h>

#include "models/blocks.h"

namespace lowbit::models {

#define LOWBIT_MODEL(name, builder) Result<Model> builder(const Source& source);
#include "models/models.inc"
#undef LOWBIT_MODEL

namespace {

struct Row {
  std::string_view name;
  Result<Model> (*build)(const Source&);
};
constexpr Row kRows[] = {
#define LOWBIT_MODEL(name, builder) {name, builder},
#include "models/models.inc"
#undef LOWBIT_MODEL
};

}  // namespace

std::vector<std::string_view> architectures() {
  std::vector<std::string_view> names;
  for (const Row& row : kRows) names.push_back(row.name);
  return names;
}

Result<Model> build(const Source& source) {
  const auto it = source.metadata->find("general.architecture");
  if (it == source.metadata->end()) return errorf("{}: metadata has no key general.architecture", source.path);
  if (!it->is_string()) {
    return errorf("{}: metadata key general.architecture is {}, expected a string", source.path, it->type_name());
  }
  const std::string architecture = it->get<std::string>();
  for (const Row& row : kRows) {
    if (row.name != architecture) continue;
    LOWBIT_ASSIGN(Model model, row.build(source));
    model.architecture = architecture;
    const auto name = source.metadata->find("general.name");
    model.name = name != source.metadata->end() && name->is_string() ? name->get<std::string>() : architecture;
    LOWBIT_TRY(graph::infer_shapes(model.graph));
    LOWBIT_TRY(check_parameters(source, model));
    return model;
  }
  return errorf("{}: architecture {} is not supported; this version runs: {}", source.path, describe(*it),
                fmt::join(architectures(), ", "));
}

}  // namespace lowbit::models

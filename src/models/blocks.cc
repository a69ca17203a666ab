#include "models/blocks.h"

#include <fmt/ranges.h>

#include <string_view>
#include <unordered_map>

#include "io/utf8.h"

namespace lowbit::models {

const nlohmann::json* Config::at(const std::string& key) const {
  const auto it = source_.metadata->find(full(key));
  return it == source_.metadata->end() ? nullptr : &*it;
}

std::string describe(const nlohmann::json& value) {
  if (value.is_string()) return io::shown(value.get_ref<const std::string&>());
  return value.is_number() || value.is_boolean() ? value.dump() : value.type_name();
}

Result<std::string> Config::text(const std::string& key, const std::string& fallback) const {
  const nlohmann::json* value = at(key);
  if (value == nullptr) return fallback;
  if (value->is_string()) return value->get<std::string>();
  return errorf("{}: metadata key {} is {}, expected a string", source_.path, full(key), describe(*value));
}

Result<bool> Config::boolean(const std::string& key, bool fallback) const {
  const nlohmann::json* value = at(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  return errorf("{}: metadata key {} is {}, expected true or false", source_.path, full(key), describe(*value));
}

bool Config::has(const std::string& key) const { return at(key) != nullptr; }

Result<int64_t> Config::integer(const std::string& key, int64_t least, int64_t most) const {
  const nlohmann::json* value = at(key);
  if (value == nullptr) return errorf("{}: metadata has no key {}", source_.path, full(key));
  if (!value->is_number_integer()) {
    return errorf("{}: metadata key {} is {}, expected an integer", source_.path, full(key), value->type_name());
  }
  const bool too_large = value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  const int64_t number = too_large ? INT64_MAX : value->get<int64_t>();
  if (number < least || number > most) {
    return errorf("{}: metadata key {} is {}, expected {} to {}", source_.path, full(key), number, least, most);
  }
  return number;
}

Result<int64_t> Config::integer(const std::string& key, int64_t least, int64_t most, int64_t fallback) const {
  if (!has(key)) return fallback;
  return integer(key, least, most);
}

Result<double> Config::number(const std::string& key, double least, double most) const {
  const nlohmann::json* value = at(key);
  if (value == nullptr) return errorf("{}: metadata has no key {}", source_.path, full(key));
  if (!value->is_number()) {
    return errorf("{}: metadata key {} is {}, expected a number", source_.path, full(key), value->type_name());
  }
  const double number = value->get<double>();
  if (!(number >= least && number <= most)) {
    return errorf("{}: metadata key {} is {}, expected {} to {}", source_.path, full(key), number, least, most);
  }
  return number;
}

Result<double> Config::number(const std::string& key, double least, double most, double fallback) const {
  if (!has(key)) return fallback;
  return number(key, least, most);
}

Status check_parameters(const Source& source, const Model& model) {
  std::unordered_map<std::string_view, const Source::Tensor*> unused;
  for (const Source::Tensor& tensor : source.tensors) unused.emplace(tensor.name, &tensor);
  for (const graph::Parameter& parameter : model.graph.parameters) {
    const auto found = unused.extract(parameter.name);
    const Source::Tensor* tensor = found ? found.mapped() : nullptr;
    if (tensor == nullptr) return errorf("{}: tensor {} is missing", source.path, parameter.name);
    if (tensor->shape != parameter.shape) {
      return errorf("{}: tensor {} has shape [{}], expected [{}]", source.path, parameter.name,
                    fmt::join(tensor->shape, ", "), fmt::join(parameter.shape, ", "));
    }
  }
  for (const std::string& name : model.unused) unused.erase(name);
  // The first in the order of the file.
  for (const Source::Tensor& tensor : source.tensors) {
    if (!unused.contains(tensor.name)) continue;
    return errorf("{}: tensor {} is not used by architecture {}: results without it would be wrong", source.path,
                  io::shown(tensor.name), model.architecture);
  }
  return {};
}

}  // namespace lowbit::models

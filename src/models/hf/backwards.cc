// Keys of config.json from those of GGUF, where it is more than a copy under another name.
#include <fmt/format.h>

#include <cstdlib>

#include "models/hf/conversion.h"

namespace lowbit::models::hf {
namespace {

using nlohmann::json;

// Numbers of GGUF are f32; people write the shortest decimal that is one.
json shortest(const json& value) {
  if (!value.is_number_float()) return value;
  return std::strtod(fmt::format("{}", static_cast<float>(value.get<double>())).c_str(), nullptr);
}

}  // namespace

json Conversion::given(const std::string& key) const {
  const auto found = given_->find(architecture_ + "." + key);
  return found == given_->end() ? json() : shortest(*found);
}

void Conversion::write(const std::string& key, const json& value) { (*written_)[key] = shortest(value); }

Status Conversion::copy_back(const std::string& from, const std::string& to) {
  const json value = given(to);
  if (!value.is_number()) {
    return errorf("metadata key {}.{} is missing or no number, which config.json needs as {}", architecture_, to,
                  from);
  }
  write(from, value);
  return {};
}

Status Conversion::expect(const std::string& key, const json& value) {
  if (!is_backwards()) return config.expect(key, value);
  write(key, value);
  return {};
}

// What GGUF leaves out where it follows from others.
Status Conversion::sizes_back() {
  LOWBIT_TRY(copy_back("num_attention_heads", "attention.head_count"));
  LOWBIT_TRY(copy_back("hidden_size", "embedding_length"));
  const json heads = (*written_)["num_attention_heads"], width = (*written_)["hidden_size"];
  if (!heads.is_number_unsigned() || heads == 0 || !width.is_number_unsigned()) {
    return errorf("metadata keys {}.attention.head_count and embedding_length are no whole numbers", architecture_);
  }
  const json kv = given("attention.head_count_kv"), dim = given("attention.key_length");
  write("num_key_value_heads", kv.is_null() ? heads : kv);
  write("head_dim", dim.is_null() ? json(width.get<uint64_t>() / heads.get<uint64_t>()) : dim);
  return {};
}

// In the words of transformers 4, which version 5 and vLLM read too. Frequency factors of a tensor are added where
// they are known (folder_image.cc).
Status Conversion::rotation_back() {
  const json base = given("rope.freq_base");
  write("rope_theta", base.is_null() ? json(10000.0) : base);
  LOWBIT_ASSIGN(const int64_t dim, head_dim());
  const json turned = given("rope.dimension_count");
  if (turned.is_number() && turned != dim) {
    write("partial_rotary_factor", turned.get<double>() / static_cast<double>(dim));
  }
  const json type = given("rope.scaling.type"), factor = given("rope.scaling.factor");
  if (type.is_null() || type == "none") return {};
  if (type == "linear") {
    if (factor.is_number() && factor != 1.0) write("rope_scaling", {{"rope_type", "linear"}, {"factor", factor}});
    return {};
  }
  return errorf("metadata key {}.rope.scaling.type is {}, which has no counterpart in config.json that is known",
                architecture_, type.dump());
}

}  // namespace lowbit::models::hf

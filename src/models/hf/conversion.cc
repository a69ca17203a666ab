#include "models/hf/conversion.h"

#include <algorithm>
#include <charconv>

#include "io/utf8.h"

namespace lowbit::models::hf {
namespace {

// Where the parts of a model begin in the names of its tensors.
constexpr std::string_view kPrefixes[] = {"model.language_model.", "language_model.model.", "language_model.",
                                          "model.", "bert."};

constexpr NameRule kDecoder[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output"},
    {"layers.{}.input_layernorm", "blk.{}.attn_norm"},
    {"layers.{}.self_attn.q_proj", "blk.{}.attn_q"},
    {"layers.{}.self_attn.k_proj", "blk.{}.attn_k"},
    {"layers.{}.self_attn.v_proj", "blk.{}.attn_v"},
    {"layers.{}.self_attn.o_proj", "blk.{}.attn_output"},
    {"layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm"},
    {"layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm"},
    {"layers.{}.self_attn.rotary_emb.inv_freq", ""},
    {"layers.{}.post_attention_layernorm", "blk.{}.ffn_norm"},
    {"layers.{}.mlp.gate_proj", "blk.{}.ffn_gate"},
    {"layers.{}.mlp.up_proj", "blk.{}.ffn_up"},
    {"layers.{}.mlp.down_proj", "blk.{}.ffn_down"},
    {"layers.{}.mlp.gate", "blk.{}.ffn_gate_inp"},
    {"layers.{}.mlp.experts.{}.gate_proj", "blk.{}.ffn_gate_exps"},
    {"layers.{}.mlp.experts.{}.up_proj", "blk.{}.ffn_up_exps"},
    {"layers.{}.mlp.experts.{}.down_proj", "blk.{}.ffn_down_exps"},
};

std::string_view without_prefix(std::string_view name) {
  for (const std::string_view prefix : kPrefixes) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

// The numbers that stand for each {} where the name fits the pattern. A pattern that ends in '*' fits what begins so.
bool fits(std::string_view pattern, std::string_view name, std::vector<std::string>& numbers) {
  numbers.clear();
  while (!pattern.empty()) {
    if (pattern == "*") return true;
    if (pattern.starts_with("{}")) {
      size_t digits = 0;
      while (digits < name.size() && digits < 6 && name[digits] >= '0' && name[digits] <= '9') ++digits;
      if (digits == 0 || (digits > 1 && name[0] == '0')) return false;
      numbers.emplace_back(name.substr(0, digits));
      name.remove_prefix(digits);
      pattern.remove_prefix(2);
    } else {
      if (name.empty() || name[0] != pattern[0]) return false;
      name.remove_prefix(1);
      pattern.remove_prefix(1);
    }
  }
  return name.empty();
}

std::string filled(std::string_view name, const std::vector<std::string>& numbers) {
  std::string out(name);
  if (const size_t at = out.find("{}"); at != out.npos) out.replace(at, 2, numbers[0]);
  return out;
}

struct Split {
  std::string_view stem, suffix;
};

Split split_suffix(std::string_view name) {
  for (const std::string_view suffix : {".weight", ".bias"}) {
    if (name.ends_with(suffix)) return {name.substr(0, name.size() - suffix.size()), suffix};
  }
  return {name, ""};
}

}  // namespace

std::span<const NameRule> decoder_rules() { return kDecoder; }

void Conversion::set(const std::string& key, const nlohmann::json& value) {
  metadata[architecture_ + "." + key] =
      value.is_number_float() ? nlohmann::json(static_cast<double>(static_cast<float>(value.get<double>()))) : value;
}

const Matrices& Conversion::no_matrices() {
  static const Matrices kNone;
  return kNone;
}

Status Conversion::copy_integer(const std::string& from, const std::string& to, int64_t least, int64_t most) {
  if (is_backwards()) return copy_back(from, to);
  LOWBIT_ASSIGN(const int64_t value, config.integer(from, least, most));
  set(to, value);
  return {};
}

Status Conversion::copy_optional_integer(const std::string& from, const std::string& to, int64_t least,
                                         int64_t most) {
  const bool there = is_backwards() ? !given(to).is_null() : config.has(from);
  return there ? copy_integer(from, to, least, most) : Status();
}

Status Conversion::copy_number(const std::string& from, const std::string& to, double least, double most) {
  if (is_backwards()) return copy_back(from, to);
  LOWBIT_ASSIGN(const double value, config.number(from, least, most));
  set(to, value);
  return {};
}

void Conversion::add_vector(const std::string& name, std::vector<float> values) {
  Target target;
  target.name = name;
  target.shape = {static_cast<int64_t>(values.size())};
  target.values = std::move(values);
  targets.push_back(std::move(target));
}

Status Conversion::tie(bool fallback) {
  if (is_backwards()) {
    write("tie_word_embeddings", tied_);
    return {};
  }
  LOWBIT_ASSIGN(tied_, config.boolean("tie_word_embeddings", fallback));
  if (tied_ || !config.has("tie_word_embeddings")) return {};
  for (const auto& matrix : matrices_) {
    if (split_suffix(without_prefix(matrix->name)).stem == "lm_head") return {};
  }
  return config.error("tie_word_embeddings", "false", "true, as the folder has no tensor lm_head.weight");
}

// Experts that lie in one tensor, [experts, rows, cols], gate and up one behind the other.
Status Conversion::put_experts(size_t index, const std::string& name) {
  const Matrix& matrix = *matrices_[index];
  if (matrix.shape.size() != 3) return errorf("tensor {} is not of 3 dimensions", io::shown(matrix.name));
  const int64_t experts = matrix.shape[0], rows = matrix.shape[1], cols = matrix.shape[2];
  const bool both = name.ends_with("gate_up_exps");
  if (both && rows % 2 != 0) return errorf("tensor {} has an odd number of rows", io::shown(matrix.name));
  const std::string stem = name.substr(0, name.rfind("ffn_"));
  const int64_t part = both ? rows / 2 : rows;
  for (int64_t half = 0; half < (both ? 2 : 1); ++half) {
    Target target;
    target.name = !both ? name + ".weight" : stem + (half == 0 ? "ffn_gate_exps.weight" : "ffn_up_exps.weight");
    target.shape = {experts, part, cols};
    for (int64_t e = 0; e < experts; ++e) target.pieces.push_back({index, e * rows + half * part, part});
    targets.push_back(std::move(target));
  }
  return {};
}

Status Conversion::put(size_t index, const NameRule& rule, const std::vector<std::string>& numbers,
                       std::string_view suffix, float plus) {
  const Matrix& matrix = *matrices_[index];
  const std::string name = filled(rule.name, numbers);
  if (numbers.size() == 2) {
    int64_t number = 0;
    std::from_chars(numbers[1].data(), numbers[1].data() + numbers[1].size(), number);
    experts_[name + std::string(suffix)][number] = index;
    return {};
  }
  if (suffix.empty() && name.ends_with("_exps")) return put_experts(index, name);
  Target target;
  target.name = name + std::string(suffix);
  target.shape = matrix.shape;
  if (matrix.shape.empty() || matrix.shape.size() > 2) {
    return errorf("tensor {} has {} dimensions, expected 1 or 2", io::shown(matrix.name), matrix.shape.size());
  }
  target.pieces.push_back({index, 0, matrix.rows()});
  if (name.ends_with("norm") && suffix == ".weight") target.plus = plus;
  if (rule.change != Change::none) {
    const bool keys = rule.change == Change::permute_k && config.has("num_key_value_heads");
    LOWBIT_ASSIGN(target.heads, config.integer(keys ? "num_key_value_heads" : "num_attention_heads", 1, 4096));
    if (matrix.shape[0] % (2 * target.heads) != 0) {
      return errorf("tensor {} has {} rows, expected an even number for each of {} heads", io::shown(matrix.name),
                    matrix.shape[0], target.heads);
    }
  }
  targets.push_back(std::move(target));
  return {};
}

Status Conversion::check_experts() {
  for (const auto& [name, matrices] : experts_) {
    Target target;
    target.name = name;
    const Matrix& first = *matrices_[matrices.begin()->second];
    if (first.shape.size() != 2) return errorf("tensor {} is no matrix", io::shown(first.name));
    for (const auto& [number, index] : matrices) {
      const Matrix& matrix = *matrices_[index];
      if (number != static_cast<int64_t>(target.pieces.size()) || matrix.shape != first.shape) {
        return errorf("tensor {}: an expert before it is missing or of another shape", io::shown(matrix.name));
      }
      target.pieces.push_back({index, 0, matrix.rows()});
    }
    target.shape = {static_cast<int64_t>(target.pieces.size()), first.shape[0], first.shape[1]};
    targets.push_back(std::move(target));
  }
  return {};
}

Status Conversion::place(std::span<const NameRule> own, std::span<const NameRule> shared, float norm_plus) {
  rules_ = {own, shared};
  if (is_backwards()) return {};
  std::vector<std::string> numbers;
  for (size_t i = 0; i < matrices_.size(); ++i) {
    const std::string& whole = matrices_[i]->name;
    const auto [stem, suffix] = split_suffix(without_prefix(whole));
    const NameRule* rule = nullptr;
    for (const auto rules : {own, shared}) {
      for (size_t r = 0; r < rules.size() && rule == nullptr; ++r) {
        if (fits(rules[r].pattern, stem, numbers)) rule = &rules[r];
      }
      if (rule != nullptr) break;
    }
    if (rule == nullptr) {
      return errorf("tensor {} has no place in architecture {}", io::shown(whole), architecture_);
    }
    if (rule->name.empty() || (tied_ && rule->name == "output")) continue;
    LOWBIT_TRY(put(i, *rule, numbers, suffix, norm_plus));
  }
  LOWBIT_TRY(check_experts());
  // The same model under two prefixes.
  std::vector<std::string_view> names;
  for (const Target& target : targets) names.push_back(target.name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) return errorf("two tensors are {} of architecture {}", io::shown(*twice), architecture_);
  return {};
}

std::string checkpoint_name(const Conversion::Rules& rules, std::string_view tensor, bool experts) {
  const auto [stem, suffix] = split_suffix(tensor);
  std::vector<std::string> numbers;
  for (const auto list : {rules.own, rules.shared}) {
    for (const NameRule& rule : list) {
      const size_t first = rule.pattern.find("{}");
      const bool each = first != rule.pattern.npos && rule.pattern.find("{}", first + 2) != rule.pattern.npos;
      if (rule.name.empty() || each != experts || !fits(rule.name, stem, numbers)) continue;
      std::string name(rule.pattern);
      if (!numbers.empty()) name.replace(name.find("{}"), 2, numbers[0]);
      return name.append(suffix);
    }
  }
  return {};
}

}  // namespace lowbit::models::hf

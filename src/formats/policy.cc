// The names of roundings and saturations, as --round and --saturate take them.
#include "formats/policy.h"

#include <fmt/format.h>

#include "formats/families.h"

namespace lowbit::formats {
namespace {

struct RoundingName {
  std::string_view name;
  Rounding rounding;
};
constexpr RoundingName kRoundings[] = {{"rne", Rounding::nearest_even},
                                       {"rna", Rounding::nearest_away},
                                       {"rnz", Rounding::nearest_zero},
                                       {"rno", Rounding::nearest_odd},
                                       {"ru", Rounding::up},
                                       {"rd", Rounding::down},
                                       {"rz", Rounding::to_zero},
                                       {"raz", Rounding::away},
                                       {"odd", Rounding::to_odd},
                                       {"jam", Rounding::jam},
                                       {"sr", Rounding::stochastic},
                                       {"sr-equal", Rounding::stochastic_equal}};

// The few-bit roundings sr-Na, sr-Nb, sr-Nc.
struct Letter {
  std::string_view letter;
  Rounding rounding;
};
constexpr Letter kLetters[] = {
    {"a", Rounding::stochastic}, {"b", Rounding::stochastic_b}, {"c", Rounding::stochastic_c}};

struct SaturationName {
  std::string_view name;
  Saturation saturation;
};
constexpr SaturationName kSaturations[] = {{"finite", Saturation::finite},
                                           {"propagate", Saturation::propagate},
                                           {"none", Saturation::none},
                                           {"wrap", Saturation::wrap}};

Result<CastPolicy> parse_rounding(std::string_view text) {
  CastPolicy policy;
  for (const RoundingName& row : kRoundings) {
    if (row.name != text) continue;
    policy.rounding = row.rounding;
    return policy;
  }
  Scanner scan(text);
  if (scan.take("sr-")) {
    const auto bits = scan.number();
    for (const Letter& row : kLetters) {
      if (!bits || text.substr(scan.at()) != row.letter) continue;
      if (*bits < 1 || *bits > 32) {
        return errorf("rounding \"{}\": found {} random bits, expected 1 to 32", text, *bits);
      }
      policy.rounding = row.rounding;
      policy.random_bits = static_cast<uint8_t>(*bits);
      return policy;
    }
  }
  std::string names;
  for (const RoundingName& row : kRoundings) names += fmt::format("{}, ", row.name);
  return errorf("rounding: found \"{}\", expected one of {}or sr-N with a, b or c behind it (sr-8a)", text, names);
}

}  // namespace

Result<CastPolicy> parse_policy(std::string_view rounding, std::string_view saturation) {
  LOWBIT_ASSIGN(CastPolicy policy, parse_rounding(lower_case(rounding)));
  std::string names;
  for (const SaturationName& row : kSaturations) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
    if (row.name != saturation) continue;
    policy.saturation = row.saturation;
    return policy;
  }
  return errorf("saturation: found \"{}\", expected one of {}", saturation, names);
}

std::vector<std::string_view> rounding_names() {
  std::vector<std::string_view> names;
  for (const RoundingName& row : kRoundings) names.push_back(row.name);
  names.push_back("sr-8a");
  return names;
}

std::vector<std::string_view> saturation_names() {
  std::vector<std::string_view> names;
  for (const SaturationName& row : kSaturations) names.push_back(row.name);
  return names;
}

std::string print_rounding(const CastPolicy& policy) {
  const bool plain = policy.random_bits == 32 || policy.rounding == Rounding::stochastic_equal;
  for (const RoundingName& row : kRoundings) {
    if (row.rounding == policy.rounding && (plain || !is_stochastic(policy.rounding))) return std::string(row.name);
  }
  for (const Letter& row : kLetters) {
    if (row.rounding == policy.rounding) return fmt::format("sr-{}{}", policy.random_bits, row.letter);
  }
  return {};
}

std::string_view print_saturation(Saturation saturation) {
  for (const SaturationName& row : kSaturations) {
    if (row.saturation == saturation) return row.name;
  }
  return {};
}

}  // namespace lowbit::formats

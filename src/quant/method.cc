#include "quant/method.h"

#include <cmath>

namespace lowbit::quant {

#define LOWBIT_METHOD(name, needs, summary, paper, solve) Result<MethodOutput> solve(const MethodInput& input);
#include "quant/methods.inc"
#undef LOWBIT_METHOD

namespace {

constexpr Method kMethods[] = {
#define LOWBIT_METHOD(name, needs, summary, paper, solve) {name, needs, summary, paper, solve},
#include "quant/methods.inc"
#undef LOWBIT_METHOD
};

}  // namespace

std::span<const Method> methods() { return kMethods; }

const Method* find_method(std::string_view name) {
  for (const Method& method : kMethods) {
    if (method.name == name) return &method;
  }
  return nullptr;
}

Status check_input(const MethodInput& in) {
  LOWBIT_CHECK(in.format != nullptr && in.threads != nullptr);
  if (in.rows <= 0 || in.cols <= 0 ||
      in.weights.size() / static_cast<size_t>(in.cols) != static_cast<size_t>(in.rows) ||
      in.weights.size() % static_cast<size_t>(in.cols) != 0) {
    return errorf("a weight of {} values was given as {} rows of {} columns", in.weights.size(), in.rows, in.cols);
  }
  const auto cols = static_cast<size_t>(in.cols);
  if (!in.second_moments.empty() &&
      (in.second_moments.size() % cols != 0 || in.second_moments.size() / cols != cols)) {
    return errorf("second moments have {} values, expected {} x {}", in.second_moments.size(), cols, cols);
  }
  if (!in.importance.empty() && in.importance.size() != cols) {
    return errorf("importance has {} values, expected one for each of {} columns", in.importance.size(), cols);
  }
  const MethodOptions& o = in.options;
  if (!std::isfinite(o.damping) || o.damping < 0) return errorf("damping is {}, expected 0 or more", o.damping);
  if (o.block < 1) return errorf("a block of {} columns, expected 1 or more", o.block);
  return {};
}

}  // namespace lowbit::quant

// lowbit::Number as a scalar of Eigen: Eigen::Matrix<lowbit::Number<"bf16">, ...>. Include it before such a type is
// used.
#pragma once

#include <Eigen/Core>

#include "lowbit/number.h"

template <lowbit::FixedString F, lowbit::FixedString R, lowbit::FixedString S, class C>
struct Eigen::NumTraits<lowbit::Number<F, R, S, C>> {
  using Real = lowbit::Number<F, R, S, C>;
  using NonInteger = Real;
  using Literal = Real;
  using Nested = Real;
  enum {
    IsComplex = 0,
    IsInteger = 0,
    IsSigned = 1,  // an unsigned format says so when running
    RequireInitialization = 1,
    ReadCost = 1,
    AddCost = 4,
    MulCost = 4
  };
  static Real epsilon() { return std::numeric_limits<Real>::epsilon(); }
  // What isApprox() and the like take for rounding errors.
  static Real dummy_precision() { return epsilon() * Real(4); }
  static Real highest() { return std::numeric_limits<Real>::max(); }
  static Real lowest() { return std::numeric_limits<Real>::lowest(); }
  static Real infinity() { return std::numeric_limits<Real>::infinity(); }
  static Real quiet_NaN() { return std::numeric_limits<Real>::quiet_NaN(); }
  static int digits() { return std::numeric_limits<Real>::digits; }
  static int digits10() { return std::numeric_limits<Real>::digits10; }
};

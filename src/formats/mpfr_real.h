// A real number of MPFR for tests of families whose values are irrational.
#pragma once

#include <mpfr.h>

#include <cstdint>

#include "formats/exact.h"

namespace lowbit::formats {

class Real {
 public:
  Real() { mpfr_init2(x_, 180); }
  ~Real() { mpfr_clear(x_); }
  Real(const Real&) = delete;
  Real& operator=(const Real&) = delete;

  mpfr_ptr get() { return x_; }
  double to_double() const { return mpfr_get_d(x_, MPFR_RNDN); }

  // Cut to 64 bits, as Exact has them; x is not zero.
  Exact to_exact() const {
    mpfr_t cut;
    mpfr_init2(cut, 64);
    const bool rest = mpfr_set(cut, x_, MPFR_RNDZ) != 0;
    mpz_t significand;
    mpz_init(significand);
    const mpfr_exp_t scale = mpfr_get_z_2exp(significand, cut);
    const bool negative = mpz_sgn(significand) < 0;
    mpz_abs(significand, significand);
    const Exact out = Exact::finite(negative, mpz_get_ui(significand), scale, rest);
    mpz_clear(significand);
    mpfr_clear(cut);
    return out;
  }

 private:
  mpfr_t x_;
};

// 2^(k / 2^fraction_bits) and e^(k / 2^fraction_bits), and -1 times as much.
inline void set_power(Real& out, bool base_e, int64_t k, int fraction_bits, bool negative = false) {
  mpfr_set_si_2exp(out.get(), k, -fraction_bits, MPFR_RNDN);
  (base_e ? mpfr_exp : mpfr_exp2)(out.get(), out.get(), MPFR_RNDN);
  if (negative) mpfr_neg(out.get(), out.get(), MPFR_RNDN);
}

}  // namespace lowbit::formats

// Elementary functions with one defined order of operations: the definition that vector kernels must equal bit for
// bit, and the exact-to-the-last-bits double versions that tables are made of. No libm but a correctly rounded fma.
#pragma once

namespace lowbit::arith {

// exp(x) in fp32: 0 below -87, x of 88 at most, Cody-Waite reduction, degree 7 Taylor by Horner's rule; below 2 ulp.
float exp(float x);

// 2^t for weights that are to be codes of 8 bits: within 1e-4 relative, for t of 0 at most or little more; 2^-100
// below -100 and of NaN.
constexpr float kLog2E = 1.44269504f;
float coarse_exp2(float t);

// x / (1 + exp(-x)).
float silu(float x);

// tanh(x): for |x| < 0.625 an odd polynomial of degree 11, else 1 - 2 / (exp(2 |x|) + 1) with the sign of x; below
// 2 ulp.
float tanh(float x);

// cap * tanh(x / cap).
float softcap(float x, float cap);

// 0.5 x (1 + tanh(u)) as x / (1 + exp(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3).
float gelu_tanh(float x);

// Distribution function of the normal law, within 1.5e-7; gelu_erf(x) = x * normal_cdf(x).
float normal_cdf(float x);
float gelu_erf(float x);

// log2, exp2, sin, cos in double, relative error below 1e-14 (sin, cos: absolute, for |x| < 2^30); for tables such as
// rotary embeddings, where the same bits must come out on every machine.
double log2(double x);
double exp2(double x);
double sin(double x);
double cos(double x);

}  // namespace lowbit::arith

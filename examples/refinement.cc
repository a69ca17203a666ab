// Linear systems solved to double precision from a factorization in few bits. A = LU costs n^3 and is done in the low
// format; the rest costs n^2 and is done in double. Plain refinement adds the low solution of the residual until the
// residual is that of double: it converges while condition * unit roundoff < 1. GMRES-IR solves the residual equation
// by GMRES with the low factors as preconditioner and goes much further (Carson and Higham 2018).
//
//   example_refinement [n]
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <vector>

#include "lowbit/number.h"

namespace {

using Vector = std::vector<double>;

template <class Real>
struct Square {
  size_t n = 0;
  std::vector<Real> values;
  explicit Square(size_t n) : n(n), values(n * n, Real(0)) {}
  Real& operator()(size_t i, size_t k) { return values[i * n + k]; }
  const Real& operator()(size_t i, size_t k) const { return values[i * n + k]; }
};
using Matrix = Square<double>;

double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }
double norm(const Vector& a) { return std::sqrt(dot(a, a)); }

Vector product(const Matrix& a, const Vector& x) {
  Vector y(a.n, 0);
  for (size_t i = 0; i < a.n; ++i) {
    for (size_t k = 0; k < a.n; ++k) y[i] += a(i, k) * x[k];
  }
  return y;
}

struct Random {
  uint64_t state = 1;
  double operator()() {  // about uniform in (-1, 1)
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(static_cast<int64_t>(state)) * 0x1p-63;
  }
};

// From both sides by random reflections: singular values stay.
void reflect(Matrix& a, Random& random) {
  for (int side = 0; side < 2; ++side) {
    Vector v(a.n);
    for (double& x : v) x = random();
    const double scale = 2 / dot(v, v);
    for (size_t line = 0; line < a.n; ++line) {
      double sum = 0;
      for (size_t i = 0; i < a.n; ++i) sum += v[i] * (side == 0 ? a(i, line) : a(line, i));
      for (size_t i = 0; i < a.n; ++i) (side == 0 ? a(i, line) : a(line, i)) -= scale * sum * v[i];
    }
  }
}

// Singular values from 1 down to 1 / condition, each a constant factor below the one before.
Matrix matrix_of_condition(size_t n, double condition) {
  Matrix a(n);
  for (size_t i = 0; i < n; ++i) a(i, i) = std::pow(condition, -static_cast<double>(i) / static_cast<double>(n - 1));
  Random random;
  for (int i = 0; i < 8; ++i) reflect(a, random);
  return a;
}

// The factors of A with rows exchanged, made in Real, kept in double.
struct Factors {
  Matrix lu;
  std::vector<size_t> rows;

  Vector solve(const Vector& b) const {
    Vector x(lu.n);
    for (size_t i = 0; i < lu.n; ++i) {
      x[i] = b[rows[i]];
      for (size_t k = 0; k < i; ++k) x[i] -= lu(i, k) * x[k];
    }
    for (size_t i = lu.n; i-- > 0;) {
      for (size_t k = i + 1; k < lu.n; ++k) x[i] -= lu(i, k) * x[k];
      x[i] /= lu(i, i);
    }
    return x;
  }
};

template <class Real>
std::optional<Factors> factorize(const Matrix& a) {
  Square<Real> lu(a.n);
  for (size_t i = 0; i < lu.values.size(); ++i) lu.values[i] = Real(a.values[i]);
  std::vector<size_t> rows(a.n);
  std::iota(rows.begin(), rows.end(), size_t{0});
  for (size_t k = 0; k < a.n; ++k) {
    size_t pivot = k;
    for (size_t i = k + 1; i < a.n; ++i) pivot = abs(lu(i, k)) > abs(lu(pivot, k)) ? i : pivot;
    if (lu(pivot, k) == Real(0)) return std::nullopt;
    std::swap(rows[k], rows[pivot]);
    for (size_t j = 0; j < a.n; ++j) std::swap(lu(k, j), lu(pivot, j));
    for (size_t i = k + 1; i < a.n; ++i) {
      lu(i, k) /= lu(k, k);
      for (size_t j = k + 1; j < a.n; ++j) lu(i, j) = fma(-lu(i, k), lu(k, j), lu(i, j));
    }
  }
  Factors out{Matrix(a.n), rows};
  for (size_t i = 0; i < lu.values.size(); ++i) out.lu.values[i] = static_cast<double>(lu.values[i]);
  return out;
}

// Solves the upper Hessenberg least-squares problem min |beta e1 - H y| by Givens rotations; columns[k] has k + 2
// rows.
Vector least_squares(std::vector<Vector> columns, double beta, double* rest) {
  const size_t m = columns.size();
  Vector right(m + 1, 0);
  right[0] = beta;
  Vector cosines, sines;
  for (size_t k = 0; k < m; ++k) {
    Vector& h = columns[k];
    for (size_t i = 0; i < k; ++i) {
      const double low = cosines[i] * h[i + 1] - sines[i] * h[i];
      h[i] = cosines[i] * h[i] + sines[i] * h[i + 1];
      h[i + 1] = low;
    }
    const double length = std::hypot(h[k], h[k + 1]);
    cosines.push_back(length > 0 ? h[k] / length : 1);
    sines.push_back(length > 0 ? h[k + 1] / length : 0);
    h[k] = length;
    right[k + 1] = -sines[k] * right[k];
    right[k] *= cosines[k];
  }
  *rest = std::fabs(right[m]);
  Vector y(m, 0);
  for (size_t k = m; k-- > 0;) {
    y[k] = right[k];
    for (size_t j = k + 1; j < m; ++j) y[k] -= columns[j][k] * y[j];
    y[k] = columns[k][k] != 0 ? y[k] / columns[k][k] : 0;
  }
  return y;
}

// M^-1 A d = M^-1 r by GMRES to a millionth, M = LU. Adds the iterations to *iterations.
Vector gmres(const Matrix& a, const Factors& factors, const Vector& r, int* iterations) {
  std::vector<Vector> basis, columns;
  Vector v = factors.solve(r);
  const double beta = norm(v);
  if (!(beta > 0) || !std::isfinite(beta)) return v;
  for (double& x : v) x /= beta;
  basis.push_back(v);
  Vector y;
  double rest = beta;
  while (columns.size() < a.n && rest > 1e-6 * beta) {
    Vector w = factors.solve(product(a, basis.back()));
    Vector h;
    for (const Vector& b : basis) {
      h.push_back(dot(w, b));
      for (size_t i = 0; i < a.n; ++i) w[i] -= h.back() * b[i];
    }
    h.push_back(norm(w));
    for (double& x : w) x /= h.back();
    columns.push_back(h);
    basis.push_back(w);
    y = least_squares(columns, beta, &rest);
    ++*iterations;
  }
  Vector d(a.n, 0);
  for (size_t k = 0; k < y.size(); ++k) {
    for (size_t i = 0; i < a.n; ++i) d[i] += y[k] * basis[k][i];
  }
  return d;
}

// The work until the backward error is that of double: refinement steps, or all iterations of GMRES; 0: it never was.
int refine(const Matrix& a, const Factors& factors, bool with_gmres) {
  const Vector b = product(a, Vector(a.n, 1));
  Vector x(a.n, 0), r = b;
  int iterations = 0;
  for (int step = 1; step <= 50; ++step) {
    const Vector d = with_gmres ? gmres(a, factors, r, &iterations) : factors.solve(r);
    for (size_t i = 0; i < a.n; ++i) x[i] += d[i];
    r = product(a, x);
    for (size_t i = 0; i < a.n; ++i) r[i] = b[i] - r[i];
    if (!std::isfinite(norm(x))) return 0;
    // The 2-norm of A is 1.
    if (norm(r) <= 1e-15 * static_cast<double>(a.n) * norm(x)) return with_gmres ? iterations : step;
  }
  return 0;
}

template <lowbit::FixedString Format>
void row(size_t n) {
  std::printf("%-10s", std::string_view(Format).data());
  for (double condition = 1e1; condition < 2e10; condition *= 10) {
    const Matrix a = matrix_of_condition(n, condition);
    const auto factors = factorize<lowbit::Number<Format>>(a);
    for (const bool with_gmres : {false, true}) {
      const int steps = factors ? refine(a, *factors, with_gmres) : 0;
      const char* mark = with_gmres ? "/" : " ";
      if (steps > 0) {
        std::printf("%s%d", mark, steps);
      } else {
        std::printf("%s-", mark);
      }
    }
  }
  std::printf("\n");
}

}  // namespace

int main(int count, char** words) {
  const auto n = static_cast<size_t>(count > 1 ? std::atoi(words[1]) : 40);
  if (n < 2) return 2;
  std::printf(
      "n = %zu, condition 1e1 to 1e10: steps of refinement/iterations of GMRES-IR until the accuracy of double\n", n);
  row<"f16">(n);
  row<"bf16">(n);
  row<"posit16">(n);
  row<"e5m6">(n);
  row<"posit12">(n);
  row<"e4m3fn">(n);
  row<"posit8">(n);
}

// The examples as programs: what they print, against what is known without them.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

std::string run(const std::string& command) {
  FILE* pipe = popen((std::string(LOWBIT_EXAMPLES "/example_") + command).c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string out;
  std::array<char, 4096> part{};
  for (size_t n = 0; (n = fread(part.data(), 1, part.size(), pipe)) > 0;) out.append(part.data(), n);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return out;
}

// Lines as words.
std::vector<std::vector<std::string>> words_of(const std::string& text) {
  std::vector<std::vector<std::string>> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::vector<std::string>& row = lines.emplace_back();
    for (std::string word; words >> word;) row.push_back(word);
  }
  return lines;
}

// A float of `bits` significant bits in double, where sums of two are exact. direction: 0 to nearest (ties to even),
// 1 up; subnormal numbers do not occur.
double rounded(double x, int bits, int direction) {
  if (x == 0) return 0;
  const double step = std::ldexp(1.0, std::ilogb(x) + 1 - bits);
  return (direction == 0  ? std::nearbyint(x / step)
          : direction > 0 ? std::ceil(x / step)
                          : std::floor(x / step)) *
         step;
}

TEST(Harmonic, StagnatesWhereItIsKnownTo) {
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> rows;
  for (const auto& row : words_of(run("harmonic 4000"))) {
    if (row.size() == 5) rows[{row[0], row[1]}] = row;
  }
  const auto row = [&](const char* format, const char* rounding) { return rows.at({format, rounding}); };
  const auto sum = [&](const char* format, const char* rounding) { return std::stod(row(format, rounding)[2]); };
  // Higham, "Half Precision Arithmetic: fp16 Versus bfloat16" (2018): sums and numbers of terms.
  EXPECT_EQ(row("bf16", "rne")[2], "5.0625");
  EXPECT_EQ(row("bf16", "rne")[4], "65");
  EXPECT_EQ(row("f16", "rne")[2], "7.08594");
  EXPECT_EQ(row("f16", "rne")[4], "513");
  // Directed roundings against double.
  for (const auto& [format, bits] : {std::pair{"f16", 11}, std::pair{"bf16", 8}}) {
    for (const auto& [name, direction] : {std::pair{"rne", 0}, std::pair{"ru", 1}, std::pair{"rz", -1}}) {
      double s = 0;
      for (int k = 1; k <= 4000; ++k) s = rounded(s + rounded(1.0 / k, bits, direction), bits, direction);
      EXPECT_NEAR(sum(format, name), s, 1e-5 * s) << format << " " << name;
    }
  }
  // Stochastic rounding goes on, and is right in the mean: a step has at most the variance of unit times term.
  const double exact = 8.8714;
  EXPECT_GT(std::stoi(row("f16", "sr")[4]), 3000);
  EXPECT_NEAR(sum("f16", "sr"), exact, 3 * std::sqrt(0x1p-7 * exact));
  EXPECT_NEAR(sum("bf16", "sr"), exact, 3 * std::sqrt(0x1p-4 * exact));
}

TEST(Lorenz, StochasticRoundingKeepsTheDistribution) {
  int rows = 0;
  for (const auto& row : words_of(run("lorenz 10000"))) {
    if (row.size() != 4 || row[0] == "format") continue;
    const double nearest = std::stod(row[2]), stochastic = std::stod(row[3]);
    ++rows;
    EXPECT_LT(stochastic, 2) << row[0];
    // From 11 bits down nearest is caught in a cycle.
    if (std::stoi(row[1]) > 11) {
      EXPECT_LT(nearest, 2) << row[0];
    } else {
      EXPECT_GT(nearest, 2 * stochastic) << row[0];
    }
  }
  EXPECT_EQ(rows, 9);
}

TEST(ShallowWater, FewBitsAreAsGoodAsDoubleUntilNearestIsNot) {
  int rows = 0;
  for (const auto& row : words_of(run("shallow_water 800"))) {
    if (row.size() != 4 || row[0] == "format") continue;
    const double nearest = std::stod(row[2]), stochastic = std::stod(row[3]);
    ++rows;
    if (std::stoi(row[1]) > 11) {
      EXPECT_LT(nearest, 1.2) << row[0];
      EXPECT_LT(stochastic, 1.2) << row[0];
    } else if (std::stoi(row[1]) == 10) {
      EXPECT_GT(nearest, 3) << row[0];
      EXPECT_LT(stochastic, nearest / 1.5) << row[0];
    }
  }
  EXPECT_EQ(rows, 7);
}

using Cells = std::vector<std::pair<std::string, std::string>>;  // plain refinement, GMRES-IR

// Refinement slows down with the condition until it fails; GMRES-IR goes on.
void check_row(const std::string& format, const Cells& cells) {
  SCOPED_TRACE(format);
  for (size_t i = 0; i < cells.size(); ++i) {
    EXPECT_NE(cells[i].second, "-");
    if (i == 0 || cells[i].first == "-") continue;
    ASSERT_NE(cells[i - 1].first, "-");
    EXPECT_GE(std::stoi(cells[i].first), std::stoi(cells[i - 1].first));
  }
}

TEST(Refinement, ConvergesWhereTheoryHasIt) {
  std::map<std::string, Cells> rows;
  for (const auto& row : words_of(run("refinement"))) {
    if (row.size() != 11) continue;
    for (size_t i = 1; i < row.size(); ++i) {
      const size_t slash = row[i].find('/');
      rows[row[0]].emplace_back(row[i].substr(0, slash), row[i].substr(slash + 1));
    }
  }
  ASSERT_EQ(rows.size(), 7u);
  for (const auto& [format, cells] : rows) check_row(format, cells);
  for (const auto& [format, unit] : {std::pair{"f16", 0x1p-11}, std::pair{"bf16", 0x1p-8}}) {
    for (size_t i = 0; i < 10; ++i) {
      const double product = std::pow(10.0, static_cast<double>(i + 1)) * unit;
      if (product < 0.1 || product > 100) EXPECT_EQ(rows[format][i].first == "-", product > 100) << format << i;
    }
  }
  const auto iterations = [&](const char* format, size_t i) { return std::stoi(rows[format][i].second); };
  // A better factorization is a better preconditioner.
  EXPECT_LT(iterations("f16", 2), iterations("e5m6", 2));
  EXPECT_LT(iterations("e5m6", 2), iterations("e4m3fn", 2));
  // Where plain refinement fails, GMRES-IR at first needs fewer iterations than there are unknowns.
  EXPECT_EQ(rows["f16"][4].first, "-");
  EXPECT_LT(iterations("f16", 4), 40);
}

}  // namespace

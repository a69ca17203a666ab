// lowbit bench kernels: matrix products
#include <fmt/format.h>

#include "cli/bench_arguments.h"
#include "cost/kernel_rates.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

std::vector<std::string> cells(const cost::KernelRate& r) {
  return {r.weight,
          r.activation,
          r.kernel,
          fmt::format("{} x {}", r.rows, r.cols),
          fmt::format("{}", r.tokens),
          fmt::format("{:.4f}", r.nanoseconds),
          fmt::format("{:.2f}", r.bytes_per_s / 1e9),
          fmt::format("{:.1f}", r.ops_per_s / 1e9),
          fmt::format("{:.0f} % of {}", 100 * r.share, r.by_reading ? "reading" : "the peak"),
          fmt::format("{:.0f} %", 100 * r.timing.spread)};
}

Json row_of(const cost::KernelRate& r) {
  return {{"work", "kernel"},
          {"name", r.weight},
          {"activation", r.activation},
          {"kernel", r.kernel},
          {"shape", {r.rows, r.cols}},
          {"tokens", r.tokens},
          {"context", 0},
          {"batch", 1},
          {"rate", r.nanoseconds},
          {"unit", "ns/element"},
          {"share_of_limit", r.share},
          {"limit", r.by_reading ? "read" : "peak"},
          {"spread", r.timing.spread},
          {"runs", r.timing.runs},
          {"copies", r.copies},
          {"bytes_per_s", r.bytes_per_s},
          {"read_bytes_per_s", r.reading},
          {"ops_per_s", r.ops_per_s}};
}

}  // namespace

Status bench_kernels(const BenchArguments& a) {
  ProgressBar bar;
  const auto pool = a.pool();
  cost::KernelRatesOptions options;
  options.formats = a.formats.empty() ? cost::usual_products() : a.formats;
  options.activation = a.policy.activations;
  options.cold_bytes = a.cold_bytes();
  if (!a.matrices.empty()) options.matrices = a.matrices;
  if (a.batch) options.tokens = *a.batch;
  if (a.seconds > 0) options.seconds = a.seconds;
  LOWBIT_ASSIGN(const cost::MachineLimits limits,
                cost::measure_limits(a.isa, *pool, a.limit_options(), bar.callback()));
  Json json = {{"machine", limits_json(limits)}, {"rows", Json::array()}};
  std::vector<std::vector<std::string>> rows;
  const Status status = cost::measure_kernels(
      options, limits, *pool,
      [&](const cost::KernelRate& rate) {
        rows.push_back(cells(rate));
        json["rows"].push_back(row_of(rate));
      },
      bar.callback());
  bar.clear();
  LOWBIT_TRY(status);
  if (a.json) {
    print_json(json);
    return {};
  }
  using report::Align;
  const report::Column columns[] = {{"weights"},
                                    {"activations"},
                                    {"kernel"},
                                    {"rows x columns"},
                                    {"tokens", Align::right},
                                    {"ns", Align::right},
                                    {"GB/s", Align::right},
                                    {"GOP/s", Align::right},
                                    {"share of the limit", Align::right},
                                    {"spread", Align::right}};
  fmt::print(
      "{}\nns per weight and token; GB/s of weights; every product was compared with the oracle first; "
      "reading: of the same bytes, between the runs of a row\n\n{}",
      limits_text(limits), report::table(columns, rows));
  return {};
}

}  // namespace lowbit::cli

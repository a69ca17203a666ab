// lowbit bench formats: how fast arrays become a format
#include <fmt/format.h>

#include "cli/bench_arguments.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

Result<cost::FormatRatesOptions> options_of(const BenchArguments& a) {
  cost::FormatRatesOptions options;
  options.formats = a.formats.empty() ? cost::usual_formats() : a.formats;
  options.rounds = a.rounds.empty() ? std::vector<std::string>{"rne", "sr"} : a.rounds;
  for (const std::string& name : a.isas) {
    LOWBIT_ASSIGN(const Isa isa, offered_isa("--isa", name));
    options.isas.push_back(isa);
  }
  if (options.isas.empty()) options.isas = {active_isa()};
  options.memory = a.memory;
  options.threads = static_cast<int>(*a.threads);
  if (a.seconds > 0) options.seconds = a.seconds;
  return options;
}

std::vector<std::string> cells(const cost::FormatRate& r) {
  return {r.work,
          r.name,
          r.round,
          std::string(isa_name(r.isa)),
          r.resident,
          fmt::format("{:.3f}", r.nanoseconds),
          fmt::format("{:.1f}", r.bytes / r.nanoseconds),
          fmt::format("{:.0f} %", 100 * r.share),
          fmt::format("{:.0f} %", 100 * r.spread)};
}

Json row_of(const cost::FormatRate& r) {
  return {{"work", r.work},         {"name", r.name},         {"kind", r.kind},         {"round", r.round},
          {"isa", isa_name(r.isa)}, {"resident", r.resident}, {"elements", r.elements}, {"threads", r.threads},
          {"rate", r.nanoseconds},  {"unit", "ns/element"},   {"bytes", r.bytes},       {"share_of_limit", r.share},
          {"spread", r.spread}};
}

}  // namespace

Status bench_formats(const BenchArguments& a) {
  LOWBIT_ASSIGN(const cost::FormatRatesOptions options, options_of(a));
  if (!a.json) {
    fmt::print("{}; ns per number, median of runs; GB/s: read and written; ", cpu_name());
    fmt::print("copy: the time of a plain copy of as many bytes, as a share\n\n");
  }
  std::vector<std::vector<std::string>> rows;
  Json json = {{"machine", {{"isa", isa_name(active_isa())}, {"threads", options.threads}, {"cpu", cpu_name()}}},
               {"rows", Json::array()}};
  LOWBIT_TRY(cost::measure_formats(options, [&](const cost::FormatRate& rate) {
    rows.push_back(cells(rate));
    json["rows"].push_back(row_of(rate));
  }));
  if (a.json) {
    print_json(json);
    return {};
  }
  using report::Align;
  const report::Column columns[] = {{"work"},
                                    {"format"},
                                    {"round"},
                                    {"isa"},
                                    {"resident"},
                                    {"ns", Align::right},
                                    {"GB/s", Align::right},
                                    {"copy", Align::right},
                                    {"spread", Align::right}};
  fmt::print("{}", report::table(columns, rows));
  return {};
}

}  // namespace lowbit::cli

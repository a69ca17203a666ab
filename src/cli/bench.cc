// lowbit bench formats [--format F]... [--round R]... [--isa I]... [--memory] [--threads N] [--json]
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/json_output.h"
#include "cli/policy_options.h"
#include "cost/format_rates.h"
#include "report/table.h"

namespace lowbit::cli {
namespace {

struct BenchArguments {
  std::string what;
  std::vector<std::string> formats, rounds, isas;
  bool memory = false, json = false;
  int64_t threads = 1;
  cost::FormatRatesOptions options;  // what they mean
};

Result<cost::FormatRatesOptions> options_of(const BenchArguments& a) {
  cost::FormatRatesOptions options;
  for (const std::string& text : a.formats) {
    LOWBIT_ASSIGN(formats::Format format, parse_any_format(text));
    options.formats.push_back(std::move(format));
  }
  if (options.formats.empty()) options.formats = cost::usual_formats();
  options.rounds = a.rounds.empty() ? std::vector<std::string>{"rne", "sr"} : a.rounds;
  for (const std::string& round : options.rounds) {
    LOWBIT_ASSIGN(const formats::CastPolicy policy, formats::parse_policy(round, "finite"));
    (void)policy;
  }
  for (const std::string& name : a.isas) {
    LOWBIT_ASSIGN(const Isa isa, parse_isa(name));
    if (isa > detected_isa())
      return errorf("--isa {}: this processor has {} at most", name, isa_name(detected_isa()));
    options.isas.push_back(isa);
  }
  if (options.isas.empty()) options.isas = {active_isa()};
  options.memory = a.memory;
  options.threads = static_cast<int>(a.threads);
  return options;
}

Status check(BenchArguments& a) {
  if (a.what != "formats") return errorf("bench: found \"{}\", expected formats", a.what);
  LOWBIT_ASSIGN(a.options, options_of(a));
  return {};
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

Status bench(const BenchArguments& a) {
  if (!a.json) {
    fmt::print("{}; ns per number, median of runs; GB/s: read and written; ", cpu_name());
    fmt::print("copy: the time of a plain copy of as many bytes, as a share\n\n");
  }
  std::vector<std::vector<std::string>> rows;
  Json json = {{"machine", {{"isa", isa_name(active_isa())}, {"threads", a.options.threads}, {"cpu", cpu_name()}}},
               {"rows", Json::array()}};
  LOWBIT_TRY(cost::measure_formats(a.options, [&](const cost::FormatRate& rate) {
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

}  // namespace

Action bench_command(Options& options) {
  const auto a = std::make_shared<BenchArguments>();
  options.positional("WHAT", text(a->what), "formats: casts, codes, blocks and arithmetic of number formats", true);
  options.option("--format", "F", append(a->formats), "a format; may be repeated (default: one of each kind)")
      .repeated = true;
  options.option("--round", "R", append(a->rounds), "a rounding; may be repeated (default: rne and sr)").repeated =
      true;
  options.option("--isa", "I", append(a->isas), "an instruction set; may be repeated (default: the best)").repeated =
      true;
  options.flag("--memory", a->memory, "also arrays that no cache holds (2 GB)");
  options.option("--threads", "T", integer(a->threads, 0, 256), "threads, at most 256; 0: all processors (1)");
  options.check([a] { return check(*a); });
  add_json_option(options, a->json);
  return [a] { return bench(*a); };
}

}  // namespace lowbit::cli

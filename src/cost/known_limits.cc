#include "cost/known_limits.h"

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/file.h"
#include "cost/kernel_choice.h"

namespace lowbit::cost {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMostBytes = 1 << 20;

std::string path_in(const std::string& folder) { return folder + "/limits.json"; }

// A home folder may be shared by many machines.
std::string machine_key(Isa isa, int threads) {
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
  return fmt::format("{} | {} | {} | {} threads", host, cpu_name(), isa_name(isa), threads);
}

Json read(const std::string& folder) {
  const auto text = read_text_file(path_in(folder), kMostBytes);
  Json json = text.ok() ? Json::parse(*text, nullptr, false) : Json();
  return json.is_object() ? json : Json::object();
}

void write(const std::string& folder, const Json& all) {
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  (void)write_text_file(path_in(folder), all.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

// Whatever a person may have done to the file: what is no positive number is not there.
bool read_rate(const Json& from, const char* key, double& to) {
  const auto found = from.find(key);
  if (found == from.end() || !found->is_number()) return false;
  to = found->get<double>();
  return to > 0;
}

}  // namespace

void keep_limits(const MachineLimits& limits, const std::string& folder) {
  if (folder.empty()) return;
  Json all = read(folder);
  all[machine_key(limits.isa, limits.threads)] = {{"read_bytes_per_s", limits.read_bytes_per_s},
                                                  {"int8_ops_per_s", limits.int8_ops_per_s},
                                                  {"bf16_ops_per_s", limits.bf16_ops_per_s},
                                                  {"fp32_ops_per_s", limits.fp32_ops_per_s}};
  write(folder, all);
}

Result<MachineLimits> known_limits(Isa isa, ThreadPool& pool, const std::string& folder, const LimitOptions& options,
                                   const ProgressFn& progress) {
  if (!folder.empty()) {
    const Json all = read(folder);
    const auto found = all.find(machine_key(isa, pool.size()));
    MachineLimits limits;
    limits.isa = isa;
    limits.threads = pool.size();
    limits.processor = cpu_name();
    if (found != all.end() && found->is_object() && read_rate(*found, "read_bytes_per_s", limits.read_bytes_per_s) &&
        read_rate(*found, "int8_ops_per_s", limits.int8_ops_per_s) &&
        read_rate(*found, "bf16_ops_per_s", limits.bf16_ops_per_s) &&
        read_rate(*found, "fp32_ops_per_s", limits.fp32_ops_per_s)) {
      return limits;
    }
  }
  LOWBIT_ASSIGN(const MachineLimits limits, measure_limits(isa, pool, options, progress));
  keep_limits(limits, folder);
  return limits;
}

int known_kernel_choice(Isa isa, kernels::KernelQuestion question, int usual, const std::string& folder) {
  const std::string key = machine_key(isa, 1) + " | kernels";
  const kernels::KernelQuestionRow& row = kernels::row_of(question);
  const std::string name(row.name);
  if (!folder.empty()) {
    const Json all = read(folder);
    const auto machine = all.find(key);
    const Json kept = machine != all.end() && machine->is_object() ? machine->value(name, Json()) : Json();
    if (kept.is_number_integer() && kept >= 0 && kept <= row.most) return kept.get<int>();
  }
  const Result<int> answer = measure_kernel_choice(isa, question);
  if (!answer.ok()) return usual;
  if (folder.empty()) return *answer;
  Json all = read(folder);
  if (!all[key].is_object()) all[key] = Json::object();
  all[key][name] = *answer;
  write(folder, all);
  return *answer;
}

}  // namespace lowbit::cost

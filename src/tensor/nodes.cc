#include "tensor/nodes.h"

#include <numa.h>
#include <numaif.h>

#include <algorithm>

#include "base/pages.h"

namespace lowbit::tensor {
namespace {

// The nodes in order of their numbers, which need not follow each other.
std::vector<int> allowed_nodes() {
  std::vector<int> out;
  if (numa_available() < 0) return out;
  bitmask* const mask = numa_get_run_node_mask();
  for (int node = 0; node <= numa_max_node(); ++node) {
    if (numa_bitmask_isbitset(mask, static_cast<unsigned>(node)) != 0) out.push_back(node);
  }
  numa_bitmask_free(mask);
  return out;
}

}  // namespace

const Nodes& machine_nodes() {
  static const Nodes nodes = [] {
    const std::vector<int> numbers = allowed_nodes();
    Nodes out;
    if (numbers.size() < 2) return out;
    out.count = static_cast<int>(numbers.size());
    out.run_here = [numbers](int node) { numa_run_on_node(numbers[static_cast<size_t>(node)]); };
    out.bind = [numbers](std::span<std::byte> pages, int node) {
      bitmask* const mask = numa_allocate_nodemask();
      numa_bitmask_setbit(mask, static_cast<unsigned>(numbers[static_cast<size_t>(node)]));
      // Where the system does not allow it, pages lie where the thread runs that writes them first.
      (void)mbind(pages.data(), pages.size(), MPOL_PREFERRED, mask->maskp, mask->size + 1, 0);
      numa_bitmask_free(mask);
    };
    return out;
  }();
  return nodes;
}

void spread_threads(const Nodes& nodes, ThreadPool& pool) {
  if (nodes.count < 2) return;
  const int threads = pool.size();
  pool.on_each_thread([&](int thread) { nodes.run_here(static_cast<int>(int64_t{thread} * nodes.count / threads)); });
}

void add_shared(const PackedLayout& layout, size_t offset, std::vector<Shared>& out) {
  out.push_back({offset, layout.code_bytes});
  std::vector<Shared> sections;
  for (const auto* list : {&layout.scales, &layout.minimums}) {
    for (const PackedLayout::Section& s : *list) {
      if (s.bytes > 0) sections.push_back({offset + s.offset, s.bytes});
    }
  }
  std::ranges::sort(sections, {}, &Shared::offset);
  out.insert(out.end(), sections.begin(), sections.end());
}

void spread_pages(const Nodes& nodes, std::span<std::byte> memory, std::span<const Shared> shared) {
  if (nodes.count < 2) return;
  int owner = 0;  // of the pages from `begin` on
  size_t begin = 0;
  auto at = shared.begin();
  const auto bind = [&](size_t end) {
    if (end > begin) nodes.bind(memory.subspan(begin, end - begin), owner);
    begin = end;
  };
  for (size_t page = 0; page < memory.size(); page += kLargePage) {
    const size_t middle = page + std::min(kLargePage, memory.size() - page) / 2;
    while (at != shared.end() && at->offset + at->bytes <= middle) ++at;
    if (at == shared.end()) break;  // what is left is nobody's
    if (at->offset > middle) continue;
    const auto node = static_cast<int>((middle - at->offset) * static_cast<size_t>(nodes.count) / at->bytes);
    if (node == owner) continue;
    bind(page);
    owner = node;
  }
  bind(memory.size());
}

}  // namespace lowbit::tensor

#include "kernels/matmul/asked_ahead.h"

#include <algorithm>

namespace lowbit::kernels {

AskedAhead asked_ahead(Isa isa, int64_t tokens) {
  const CpuMake make = cpu_make();
  const bool in_streams = make == CpuMake::intel;
  if (isa == Isa::avx2 || isa == Isa::avxvnni) return {3072, 0, in_streams};
  if (make == CpuMake::zen5 && tokens == 1) return {6144, 0, false};
  return {4096, in_streams ? 0 : 12288, in_streams};
}

int64_t first_bytes(const AskedAhead& ahead) {
  constexpr int64_t kStreams = 1 << 15, kLeast = 12288;  // of far_of(); as far as asking twice goes
  return ahead.in_streams ? kStreams : std::max({kLeast, ahead.near, ahead.far});
}

}  // namespace lowbit::kernels

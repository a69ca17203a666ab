#include <immintrin.h>

#include "formats/arrays/generic.h"

namespace lowbit::formats {
namespace avx2 {

struct Lanes {
  static constexpr int kLanes = 8;
  using U = Vectors<kLanes>::U;
  using I = Vectors<kLanes>::I;
  using F = Vectors<kLanes>::F;
  static constexpr bool kShortTables = false;
  static F limited(F x, float most) { return formats::limited<kLanes>(x, most); }
  static F limited_magnitude(F x, float most) { return formats::limited_magnitude<kLanes>(x, most); }
  static I truncated(F x) { return (I)_mm256_cvttps_epi32((__m256)x); }
  static U first_bits(F part) { return formats::first_bits<kLanes>(part); }
  static F sum_toward_zero(F a, F b) { return formats::sum_toward_zero<kLanes>(a, b); }
  static bool any_all_ones(U v) {
    return _mm256_movemask_epi8(_mm256_cmpeq_epi32((__m256i)v, _mm256_set1_epi32(-1))) != 0;
  }
  static void stream(const void* source, void* target, int64_t bytes) {
    stream_blocks<64>(source, target, bytes, [](const uint8_t* from, uint8_t* to) {
      const auto* half = reinterpret_cast<const __m256i*>(from);
      _mm256_stream_si256(reinterpret_cast<__m256i*>(to), _mm256_loadu_si256(half));
      _mm256_stream_si256(reinterpret_cast<__m256i*>(to) + 1, _mm256_loadu_si256(half + 1));
    });
    _mm_sfence();  // other threads see it with what this one stores next
  }
  static U gather(const uint32_t* table, U index) {
    return (U)_mm256_i32gather_epi32(reinterpret_cast<const int*>(table), (__m256i)index, 4);
  }
  static Halves<kLanes>::D gather_doubles(const double* table, Halves<kLanes>::U index) {
    return (Halves<kLanes>::D)_mm256_i32gather_pd(table, (__m128i)index, 8);
  }
  static F negated_fma(F a, F b, F c) { return (F)_mm256_fnmadd_ps((__m256)a, (__m256)b, (__m256)c); }
  static F fma(F a, F b, F c) { return (F)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
  static void greatest(const U (&v)[16], uint32_t* out) {
    for (int b = 0; b < 16; ++b) {
      __m128i m = _mm_max_epu32(_mm256_castsi256_si128((__m256i)v[b]), _mm256_extracti128_si256((__m256i)v[b], 1));
      m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4E));
      m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0xB1));
      out[b] = static_cast<uint32_t>(_mm_cvtsi128_si32(m));
    }
  }
  static U shift_left(U x, U count) { return (U)_mm256_sllv_epi32((__m256i)x, (__m256i)count); }
  static U shift_right(U x, U count) { return (U)_mm256_srlv_epi32((__m256i)x, (__m256i)count); }
  static void decode8(const ByteDecode& p, const uint8_t* in, float* out, int64_t count) {
    decode_by_gather<Lanes>(p.values, in, out, count);
  }
  // Entries are read as 32 bits at even offsets: the table has one entry more than codes.
  static void decode_bf16(const ByteDecode& p, const uint8_t* in, uint16_t* out, int64_t count) {
    for_vectors<16>(in, out, count, [&](const uint8_t* from, uint16_t* to, int64_t) {
      const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
      const auto part = [&](__m128i eight) {
        const __m256i word =
            _mm256_i32gather_epi32(reinterpret_cast<const int*>(p.bf16), _mm256_cvtepu8_epi32(eight), 2);
        return _mm256_and_si256(word, _mm256_set1_epi32(0xFFFF));
      };
      const __m256i packed = _mm256_packus_epi32(part(codes), part(_mm_srli_si128(codes, 8)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(packed, 0xD8));
    });
  }
};

}  // namespace avx2

const ArrayKernels& avx2_kernels() {
  static constinit const ArrayKernels kKernels = make_all_kernels<avx2::Lanes>();
  return kKernels;
}

}  // namespace lowbit::formats

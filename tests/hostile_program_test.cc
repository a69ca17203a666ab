// Damaged model files through the whole program: it runs, or says in one line that names the file what is wrong.
// Never a signal, never more memory than a small multiple of the file.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <functional>

#include "base/rng.h"
#include "program.h"

namespace lowbit::tests {
namespace {

// AddressSanitizer asks for terabytes.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

constexpr const char* kModel = "goldens/tiny-llama.gguf";
constexpr uint64_t kExtremes[] = {
    0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, uint64_t{1} << 40, ~uint64_t{0} >> 1, ~uint64_t{0}};

void put(std::string& bytes, size_t at, uint64_t value, size_t width) {
  for (size_t i = 0; i < width && at + i < bytes.size(); ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
}

// One kind of damage after another; `header` bytes lie before the weights and get most of it.
std::string damaged(std::string bytes, size_t header, int variant, Rng& rng) {
  const auto somewhere = [&] { return rng.below(rng.below(8) == 0 ? bytes.size() : header); };
  const std::function<void()> kinds[] = {
      [&] { bytes.resize(somewhere()); },
      [&] { bytes[somewhere()] = static_cast<char>(rng.next_u32()); },
      [&] { put(bytes, somewhere(), kExtremes[rng.below(std::size(kExtremes))], 4); },
      [&] { put(bytes, somewhere(), kExtremes[rng.below(std::size(kExtremes))], 8); },
      [&] { bytes.erase(somewhere(), rng.below(32)); },
      [&] { bytes.insert(somewhere(), bytes.substr(somewhere(), rng.below(64))); },
      [&] {
        // A digit or letter becomes another: the damage that a header of text survives.
        for (int tries = 0; tries < 1000; ++tries) {
          char& c = bytes[somewhere()];
          if (std::isalnum(static_cast<unsigned char>(c)) == 0) continue;
          c = std::isdigit(static_cast<unsigned char>(c)) != 0 ? static_cast<char>('0' + rng.below(10))
                                                               : static_cast<char>('a' + rng.below(26));
          return;
        }
      },
      // Weights that are no numbers.
      [&] {
        for (size_t at = header + rng.below(64); at + 4 < bytes.size(); at += 4 * (1 + rng.below(2000)))
          put(bytes, at, 0x7FC00000 | rng.next_u32() << 31, 4);
      },
  };
  kinds[static_cast<size_t>(variant) % std::size(kinds)]();
  return bytes;
}

// How often the program refused.
int run_variants(const std::string& bytes, size_t header, const std::string& name, int variants, uint64_t seed) {
  const Folder folder;
  const std::string path = folder.file(name);
  Rng rng(seed);
  int refused = 0;
  for (int variant = 0; variant < variants; ++variant) {
    const std::string text = damaged(bytes, header, variant, rng);
    std::ofstream(path, std::ios::binary) << text;
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"run", path, "-p", "x", "-n", "2"}, std::vector<std::string>{"inspect", path}}) {
      const Finished finished = run(arguments);
      const bool said_well = std::count(finished.err.begin(), finished.err.end(), '\n') == 1 &&
                             finished.err.find(path) != std::string::npos && finished.err.size() < 1000;
      EXPECT_EQ(finished.signal, 0) << arguments[0] << ", variant " << variant << ": " << finished.err;
      EXPECT_TRUE(finished.exit == 0 || (finished.exit == 1 && said_well))
          << arguments[0] << ", variant " << variant << ": exit " << finished.exit << ": " << finished.err;
      refused += finished.exit == 1 ? 1 : 0;
      if (testing::Test::HasFailure()) {
        std::ofstream(testing::TempDir() + name, std::ios::binary) << text;
        return refused;
      }
    }
  }
  return refused;
}

// Memory that the programs may ask for.
class LittleMemory {
 public:
  LittleMemory() {
    ::getrlimit(RLIMIT_AS, &before_);
    const rlimit little{rlim_t{2} << 30, before_.rlim_max};
    if (!kSanitized) ::setrlimit(RLIMIT_AS, &little);
  }
  ~LittleMemory() { ::setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

TEST(HostileProgram, DamagedGguf) {
  const LittleMemory limit;
  const std::string bytes = read_file(kModel);
  const size_t header = bytes.rfind("output_norm") + 64;  // the last of the tensors' names
  const int refused = run_variants(bytes, header, "hostile.gguf", 160, 71);
  EXPECT_GT(refused, 60);
}

TEST(HostileProgram, DamagedSafetensors) {
  const Folder folder;
  const std::string path = folder.file("small.safetensors");
  const Finished made = run({"quantize", kModel, "-o", path, "--format", "int4/32", "--method", "nearest"});
  ASSERT_EQ(made.exit, 0) << made.err;
  const LittleMemory limit;
  const std::string bytes = read_file(path);
  size_t header = 8;
  for (size_t i = 0; i < 4; ++i) header += static_cast<size_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  ASSERT_LT(header, bytes.size());
  const int refused = run_variants(bytes, header, "hostile.safetensors", 160, 72);
  EXPECT_GT(refused, 60);
}

}  // namespace
}  // namespace lowbit::tests

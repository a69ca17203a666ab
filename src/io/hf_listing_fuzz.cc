// libFuzzer target: a name, a line's end and what a hub answers: the listing, and which of its files make the model.
#include <algorithm>
#include <cstdint>

#include "io/hf_hub.h"
#include "io/hf_listing.h"

namespace {

using namespace lowbit::io;

// Whatever is chosen stands in the listing, and may be a path below a folder.
void choose(const HfName& name, const HfListing& listing) {
  const auto chosen = choose_hf_files(name, listing.files);
  if (!chosen.ok()) return;
  const auto stands = [&](const std::string& file) {
    return is_safe_path(file) && std::ranges::find(listing.files, file) != listing.files.end();
  };
  if (chosen->empty() || !std::ranges::all_of(*chosen, stands)) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(text.find('\n'), size);
  const auto listing = parse_hf_listing(text.substr(std::min(end + 1, size)));
  if (!listing.ok()) return 0;
  const auto name = parse_hf_name(text.substr(0, end));
  if (name.ok()) choose(*name, *listing);
  choose({"o/n", "main", ""}, *listing);
  if (!listing->files.empty()) choose({"o/n", "main", listing->files.back()}, *listing);
  return 0;
}

// Any bytes as a tokenizer.json, then a text after a zero byte: an error or ids, never a crash.
#include <string_view>

#include "text/hf_export.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace {

using namespace lowbit::text;

void try_text(const Tokenizer& tokenizer, std::string_view text) {
  for (const bool parse_control : {false, true}) {
    const auto ids = tokenizer.encode(text, {parse_control, true, nullptr, true});
    StreamDecoder stream(tokenizer, true);
    std::string streamed;
    for (const int32_t id : ids) {
      LOWBIT_CHECK(id >= 0 && id < tokenizer.size());
      const std::string part = stream.push(id);
      LOWBIT_CHECK(repair_utf8(part) == part);
      streamed += part;
    }
    LOWBIT_CHECK(streamed + stream.flush() == repair_utf8(tokenizer.decode(ids, true)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(all.find('\0'), all.size());
  const std::string_view json = all.substr(0, end), text = all.substr(end, 2000);
  const auto tokenizer = Tokenizer::from_json(json, "fuzz");
  if (tokenizer.ok()) try_text(*tokenizer, text);
  const auto keys = ggml_keys_from_hf(json, "fuzz");
  if (keys.ok()) {
    const auto same = Tokenizer::from_metadata(*keys, "fuzz");
    if (same.ok()) try_text(*same, text);
  }
  (void)metadata_from_hf(json, json, "fuzz").ok();
  return 0;
}

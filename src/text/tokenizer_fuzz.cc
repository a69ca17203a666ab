// Any bytes as text, and any bytes as metadata: no crash, no lost byte, always complete characters.
#include <nlohmann/json.hpp>

#include "text/chat_template.h"
#include "text/test_vocabulary.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace lowbit::text {
namespace {

const std::vector<Tokenizer>& tokenizers() {
  static const std::vector<Tokenizer> made = [] {
    std::vector<Tokenizer> out;
    for (const char* pre : {"gpt-2", "smollm", "falcon", "default"}) {
      nlohmann::json metadata = test_metadata({{"a", "a"}, {"aa", "aa"}, {" ", "a"}, {"\xC3", "\xA9"}, {"1", "2"}},
                                              {{"<|a|>", 3}, {"<u>", 4}, {"<u>a", 4}});
      metadata["tokenizer.ggml.pre"] = pre;
      out.push_back(Tokenizer::from_metadata(metadata, "fuzz").value());
    }
    return out;
  }();
  return made;
}

void check_text(const Tokenizer& tokenizer, std::string_view text, bool parse_control, bool all_bytes) {
  uint64_t lost = 0;
  const auto ids = tokenizer.encode(text, {.parse_control = parse_control, .lost_bytes = &lost});
  LOWBIT_CHECK(!all_bytes || (lost == 0 && tokenizer.decode(ids, true) == text));
  StreamDecoder stream(tokenizer, true);
  std::string streamed;
  for (const int32_t id : ids) {
    LOWBIT_CHECK(id >= 0 && id < tokenizer.size());
    LOWBIT_CHECK(parse_control || !tokenizer.is_control(id));
    const std::string part = stream.push(id);
    LOWBIT_CHECK(repair_utf8(part) == part);
    streamed += part;
  }
  LOWBIT_CHECK(streamed + stream.flush() == repair_utf8(tokenizer.decode(ids, true)));
}

void check_metadata(std::string_view written, std::string_view text) {
  const auto metadata = nlohmann::json::parse(written, nullptr, false);
  if (metadata.is_discarded()) return;
  (void)ChatTemplate::from_metadata(metadata, "fuzz").ok();
  const auto tokenizer = Tokenizer::from_metadata(metadata, "fuzz");
  if (tokenizer.ok()) check_text(*tokenizer, text, true, false);
}

}  // namespace
}  // namespace lowbit::text

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lowbit::text;
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] & 0x80) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    check_metadata(rest.substr(0, end), rest.substr(end));
  } else {
    check_text(tokenizers()[data[0] % tokenizers().size()], rest, (data[0] & 0x40) != 0, true);
  }
  return 0;
}

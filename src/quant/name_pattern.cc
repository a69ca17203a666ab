#include "quant/name_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace lowbit::quant {
namespace {

constexpr size_t kMostText = 4096;
constexpr uint32_t kMostSteps = 1'000'000;  // calls of the matcher's own function
constexpr uint32_t kMostKiB = 20'000;

std::string message_of(int error) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

PCRE2_SPTR units(const std::string& text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

Result<NamePattern> NamePattern::compile(const std::string& text) {
  if (text.size() > kMostText) {
    return errorf("a regular expression of {} characters, expected at most {}", text.size(), kMostText);
  }
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(units(text), text.size(), 0, &error, &offset, nullptr);
  if (code == nullptr) {
    return errorf("\"{}\" is no regular expression: {} (at character {})", text, message_of(error), offset + 1);
  }
  NamePattern pattern;
  pattern.text_ = text;
  pattern.code_ = std::shared_ptr<const void>(
      code, [](const void* c) { pcre2_code_free(const_cast<pcre2_code*>(static_cast<const pcre2_code*>(c))); });
  return pattern;
}

Result<bool> NamePattern::found_in(const std::string& name) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  LOWBIT_CHECK(code != nullptr);
  const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(pcre2_match_data_create(1, nullptr),
                                                                            pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context*)> limits(
      pcre2_match_context_create(nullptr), pcre2_match_context_free);
  LOWBIT_CHECK(data != nullptr && limits != nullptr);
  pcre2_set_match_limit(limits.get(), kMostSteps);
  pcre2_set_heap_limit(limits.get(), kMostKiB);
  const int found = pcre2_match(code, units(name), name.size(), 0, 0, data.get(), limits.get());
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0) return errorf("regular expression \"{}\" on {}: {}", text_, name, message_of(found));
  return true;
}

}  // namespace lowbit::quant

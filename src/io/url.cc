#include "io/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "io/utf8.h"

namespace lowbit::io {
namespace {

using Url = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

constexpr size_t kMostShown = 300;
constexpr size_t kMostUrl = 16384;

Url new_url() { return {curl_url(), curl_url_cleanup}; }

std::string part_of(const Url& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  return text;
}

bool is_web(const std::string& scheme) { return scheme == "http" || scheme == "https"; }

}  // namespace

Result<Origin> origin_of(const std::string& url) {
  const Url parsed = new_url();
  const CURLUcode code =
      url.size() > kMostUrl ? CURLUE_MALFORMED_INPUT : curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
  if (code != CURLUE_OK)
    return errorf("{}: no address of http or https: {}", shown_url(url), curl_url_strerror(code));
  Origin origin{lower(part_of(parsed, CURLUPART_SCHEME)), lower(part_of(parsed, CURLUPART_HOST)),
                part_of(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT)};
  if (!is_web(origin.scheme) || origin.host.empty()) {
    return errorf("{}: no address of http or https", shown_url(url));
  }
  return origin;
}

Result<std::string> resolve_url(const std::string& url, const std::string& location) {
  const Url parsed = new_url();
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK || location.empty() ||
      location.size() > kMostUrl ||
      curl_url_set(parsed.get(), CURLUPART_URL, location.c_str(), CURLU_URLENCODE) != CURLUE_OK ||
      !is_web(lower(part_of(parsed, CURLUPART_SCHEME)))) {
    return errorf("{}: redirects to {}, which is no address of http or https", shown_url(url), shown(location));
  }
  return part_of(parsed, CURLUPART_URL);
}

std::string percent_encoded(std::string_view text, bool keep_slash) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string shown_url(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  std::string text(url);
  const size_t begin = text.find("://");
  if (begin != std::string::npos) {
    const size_t host = begin + 3, at = text.rfind('@', text.find('/', host));
    if (at != std::string::npos && at >= host) text.erase(host, at + 1 - host);
  }
  return printable(text, kMostShown);
}

}  // namespace lowbit::io

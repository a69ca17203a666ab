// Addresses on the web, as far as a download needs them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit::io {

// Where a request goes: a token for one origin must not reach another.
struct Origin {
  std::string scheme, host, port;
  bool operator==(const Origin&) const = default;
};

// An error where `url` is no absolute address of http or https.
Result<Origin> origin_of(const std::string& url);

// Where a Location header of the answer from `url` leads (RFC 3986, section 5); http and https alone.
Result<std::string> resolve_url(const std::string& url, const std::string& location);

// Everything but letters, digits and -._~ as %XX; '/' as it is where `keep_slash`.
std::string percent_encoded(std::string_view text, bool keep_slash);

// For messages: without user, query (which may hold a signature) and fragment; printable, at most 300 bytes.
std::string shown_url(std::string_view url);

}  // namespace lowbit::io

// Requests over HTTP by libcurl: redirects under rules, broken connections tried again, bodies that go on where they
// were broken off.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lowbit::io {

// How long to try; times in seconds.
struct HttpPolicy {
  int connect = 20;
  int stall = 30;             // with less than 100 bytes per second
  int fruitless_tries = 6;    // in a row, each bringing no byte that was not there before
  int unreachable_tries = 2;  // where not even the first connection is made
  int most_tries = 500;       // of one request
  double first_wait = 0.5;    // before the second try; doubles from try to try
  double longest_wait = 8;
  double longest_asked_wait = 120;  // that a server may ask for (Retry-After)
};

// The last answer of a chain of redirects, without its body. Headers whose name begins with "x-" are kept from
// earlier answers of the chain.
struct HttpAnswer {
  int status = 0;
  std::string url;
  std::map<std::string, std::string, std::less<>> headers;  // by name in lower case

  // Empty where there is none.
  std::string header(std::string_view name) const;
};

// Takes a body. An error ends the request for good.
class HttpSink {
 public:
  virtual ~HttpSink() = default;
  // Bytes that are there already: the request asks for what follows.
  virtual uint64_t size() const = 0;
  // An answer with the status 200, 206 or 416 (nothing there to send) begins; false: what was there is dropped and
  // the request is to be made again.
  virtual Result<bool> begin(const HttpAnswer& answer) = 0;
  virtual Status write(std::string_view bytes) = 0;
  // Asked where a body has ended.
  virtual bool complete() const = 0;
};

// A body in memory of at most `most` bytes.
class HttpText final : public HttpSink {
 public:
  explicit HttpText(uint64_t most) : most_(most) {}
  uint64_t size() const override { return 0; }
  Result<bool> begin(const HttpAnswer& answer) override;
  Status write(std::string_view bytes) override;
  bool complete() const override { return true; }
  const std::string& text() const { return text_; }

 private:
  uint64_t most_;
  std::string text_, url_;
};

struct HttpRequest {
  std::string url;
  std::string token;  // sent as "Authorization: Bearer" to the origin of `url` and to no other
};

// Keeps its connections; for one thread at a time. `stop`, where given, ends what runs with an error once it is true.
//
// An answer of any status that no further try can change is returned; an error names the address and says what
// happened. 408, 429 and 5xx are tried again as broken connections are. At most 8 redirects, to http or https; from
// https never to http.
class HttpClient {
 public:
  explicit HttpClient(const HttpPolicy& policy, const std::atomic<bool>* stop = nullptr);
  HttpClient(HttpClient&&) noexcept;
  ~HttpClient();

  Result<HttpAnswer> get(const HttpRequest& request, HttpSink& sink);
  // Without a body; an answer that redirects to another origin is returned.
  Result<HttpAnswer> head(const HttpRequest& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lowbit::io

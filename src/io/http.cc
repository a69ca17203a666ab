#include "io/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

#include "io/url.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

constexpr int kMostRedirects = 8;
constexpr size_t kMostHeaderBytes = 256 << 10;
constexpr size_t kMostHeaders = 1000;
constexpr long kLeastSpeed = 100;                 // bytes per second; below counts as standing still
constexpr uint64_t kMostIgnoredBytes = 64 << 10;  // of a body that nobody wants

enum class Fate : uint8_t { done, again, unreachable, failed };

// One request to one address.
struct Exchange {
  HttpAnswer answer;
  HttpSink* sink = nullptr;
  size_t header_bytes = 0;
  uint64_t ignored = 0;
  bool begun = false;    // what follows the headers; further ones stand behind a body
  bool dropped = false;  // the sink wants another request
  bool enough = false;   // the rest of the body is not read
  std::string refusal;   // why the exchange was ended from here
  const std::atomic<bool>* stop = nullptr;
};

struct Try {
  Fate fate = Fate::done;
  HttpAnswer answer;
  std::string problem;
  double asked_wait = 0;
};

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin));
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  return out;
}

// "HTTP/1.1 200 OK"
int status_of(std::string_view line) {
  const size_t space = line.find(' ');
  return space == line.npos ? 0 : std::atoi(std::string(line.substr(space + 1, 3)).c_str());
}

bool has_body(int status) { return status == 200 || status == 206; }

bool begin_body(Exchange& exchange) {
  const int status = exchange.answer.status;
  if (exchange.sink == nullptr || (!has_body(status) && status != 416)) return true;
  const auto accepted = exchange.sink->begin(exchange.answer);
  if (!accepted.ok()) exchange.refusal = accepted.message();
  if (accepted.ok() && !*accepted) exchange.dropped = true;
  return accepted.ok() && *accepted;
}

size_t take_header(const char* data, size_t size, size_t count, void* target) {
  auto& exchange = *static_cast<Exchange*>(target);
  const std::string_view line(data, size * count);
  exchange.header_bytes += line.size();
  if (exchange.header_bytes > kMostHeaderBytes || exchange.answer.headers.size() > kMostHeaders) {
    exchange.refusal =
        fmt::format("{}: sends headers of more than {} bytes", shown_url(exchange.answer.url), kMostHeaderBytes);
    return 0;
  }
  if (line.starts_with("HTTP/")) {
    exchange.answer.status = status_of(line);
    exchange.answer.headers.clear();
    exchange.begun = false;
  } else if (exchange.begun) {
    return line.size();
  } else if (const size_t colon = line.find(':'); colon != line.npos) {
    exchange.answer.headers.insert_or_assign(lower(trimmed(line.substr(0, colon))), trimmed(line.substr(colon + 1)));
  } else if (trimmed(line).empty()) {
    exchange.begun = true;
    return begin_body(exchange) ? line.size() : 0;
  }
  return line.size();
}

size_t take_body(const char* data, size_t size, size_t count, void* target) {
  auto& exchange = *static_cast<Exchange*>(target);
  const std::string_view bytes(data, size * count);
  if (exchange.sink != nullptr && has_body(exchange.answer.status)) {
    const Status written = exchange.sink->write(bytes);
    if (written.ok()) return bytes.size();
    exchange.refusal = written.message();
    return 0;
  }
  exchange.ignored += bytes.size();
  exchange.enough = exchange.ignored > kMostIgnoredBytes;
  return exchange.enough ? 0 : bytes.size();
}

int take_time(void* target, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& exchange = *static_cast<Exchange*>(target);
  return exchange.stop != nullptr && exchange.stop->load() ? 1 : 0;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool may_pass(int status) { return status == 408 || status == 429 || (status >= 500 && status <= 599); }

Fate fate_of(CURLcode code) {
  static constexpr std::pair<CURLcode, Fate> kFates[] = {
      {CURLE_OK, Fate::done},
      {CURLE_COULDNT_RESOLVE_HOST, Fate::unreachable},
      {CURLE_COULDNT_RESOLVE_PROXY, Fate::unreachable},
      {CURLE_COULDNT_CONNECT, Fate::unreachable},
      {CURLE_PARTIAL_FILE, Fate::again},
      {CURLE_OPERATION_TIMEDOUT, Fate::again},
      {CURLE_GOT_NOTHING, Fate::again},
      {CURLE_SEND_ERROR, Fate::again},
      {CURLE_RECV_ERROR, Fate::again},
      {CURLE_SSL_CONNECT_ERROR, Fate::again},
      {CURLE_HTTP2, Fate::again},
      {CURLE_HTTP2_STREAM, Fate::again},
  };
  for (const auto& [known, fate] : kFates) {
    if (known == code) return fate;
  }
  return Fate::failed;
}

// Where the system keeps its certificates elsewhere than libcurl expects; the variables of curl and OpenSSL.
const char* certificates() {
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return nullptr;
}

}  // namespace

struct HttpClient::State {
  HttpPolicy policy;
  const std::atomic<bool>* stop;
  CURL* handle = nullptr;
  std::array<char, CURL_ERROR_SIZE> complaint{};

  void prepare(const std::string& url, const std::string& token, uint64_t from, bool head, Exchange& exchange);
  Try exchange(const std::string& url, const std::string& token, HttpSink* sink);
  Try follow(const HttpRequest& request, HttpSink* sink);
  bool wait(double seconds) const;
  Result<HttpAnswer> persist(const HttpRequest& request, HttpSink* sink);
};

void HttpClient::State::prepare(const std::string& url, const std::string& token, uint64_t from, bool head,
                                Exchange& exchange) {
  curl_easy_reset(handle);  // the connections are kept
  complaint[0] = '\0';
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, complaint.data());
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "lowbit");
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(policy.connect));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, kLeastSpeed);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(policy.stall));
  if (const char* bundle = certificates()) curl_easy_setopt(handle, CURLOPT_CAINFO, bundle);
  if (!token.empty()) {
    curl_easy_setopt(handle, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    curl_easy_setopt(handle, CURLOPT_XOAUTH2_BEARER, token.c_str());
  }
  if (head) curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  if (from > 0) curl_easy_setopt(handle, CURLOPT_RANGE, fmt::format("{}-", from).c_str());
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, take_time);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &exchange);
}

Try HttpClient::State::exchange(const std::string& url, const std::string& token, HttpSink* sink) {
  Exchange exchange;
  exchange.answer.url = url;
  exchange.sink = sink;
  exchange.stop = stop;
  prepare(url, token, sink == nullptr ? 0 : sink->size(), sink == nullptr, exchange);
  // Sizes and hashes are those of the content as it is, so that no answer may come compressed.
  curl_slist* headers = curl_slist_append(nullptr, "Accept-Encoding: identity");
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  const CURLcode code = curl_easy_perform(handle);
  curl_slist_free_all(headers);
  Try result;
  curl_off_t asked = 0;
  if (curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &asked) == CURLE_OK) {
    result.asked_wait = static_cast<double>(asked);
  }
  result.fate = fate_of(code);
  result.answer = std::move(exchange.answer);
  if (!exchange.refusal.empty()) {
    result.fate = Fate::failed;
    result.problem = exchange.refusal;
  } else if (exchange.dropped) {
    result.fate = Fate::again;
    result.problem =
        fmt::format("{}: sends another part of the file than the one that was asked for", shown_url(url));
  } else if (exchange.enough) {
    result.fate = Fate::done;
  } else if (code != CURLE_OK) {
    result.problem = fmt::format("{}: {}", shown_url(url),
                                 printable(complaint[0] == '\0' ? curl_easy_strerror(code) : complaint.data(), 300));
  }
  return result;
}

// One try: the request and the redirects that answer it.
Try HttpClient::State::follow(const HttpRequest& request, HttpSink* sink) {
  const auto failed = [](std::string problem) { return Try{Fate::failed, {}, std::move(problem), 0}; };
  const auto first = origin_of(request.url);
  if (!first.ok()) return failed(first.message());
  std::string url = request.url;
  std::map<std::string, std::string, std::less<>> kept;
  for (int redirects = 0; redirects <= kMostRedirects; ++redirects) {
    const auto origin = origin_of(url);
    if (!origin.ok()) return failed(origin.message());
    const bool own = *origin == *first;
    if (!own && sink == nullptr) break;
    Try result = exchange(url, own ? request.token : std::string(), sink);
    for (const auto& [name, value] : result.answer.headers) {
      if (name.starts_with("x-")) kept.try_emplace(name, value);
    }
    result.answer.headers.insert(kept.begin(), kept.end());
    if (result.fate != Fate::done || !is_redirect(result.answer.status)) return result;
    auto next = resolve_url(url, result.answer.header("location"));
    if (!next.ok()) return failed(next.message());
    const auto there = origin_of(*next);
    if (!there.ok()) return failed(there.message());
    if (first->scheme == "https" && there->scheme == "http") {
      return failed(fmt::format("{}: redirects to {}, which is not encrypted", shown_url(url), shown_url(*next)));
    }
    if (sink == nullptr && *there != *first) return result;
    url = std::move(*next);
  }
  return failed(fmt::format("{}: more than {} redirects", shown_url(request.url), kMostRedirects));
}

// False where the work is to end.
bool HttpClient::State::wait(double seconds) const {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) {
    if (stop != nullptr && stop->load()) return false;
    std::this_thread::sleep_for(
        std::min<std::chrono::duration<double>>(std::chrono::milliseconds(50), end - Clock::now()));
  }
  return true;
}

Result<HttpAnswer> HttpClient::State::persist(const HttpRequest& request, HttpSink* sink) {
  uint64_t most = sink == nullptr ? 0 : sink->size();
  bool reached = false;
  int fruitless = 0;
  double pause = policy.first_wait;
  for (int tries = 1;; ++tries) {
    Try result = follow(request, sink);
    const int status = result.answer.status;
    if (result.fate == Fate::failed) return Error{result.problem};
    if (result.fate == Fate::done && may_pass(status)) {
      result.problem = fmt::format("{}: answers {}", shown_url(result.answer.url), status);
    } else if (result.fate == Fate::done && sink != nullptr && has_body(status) && !sink->complete()) {
      result.problem = fmt::format("{}: the answer ended after {} bytes", shown_url(result.answer.url), sink->size());
    } else if (result.fate == Fate::done) {
      return std::move(result.answer);
    }
    reached = reached || result.fate != Fate::unreachable;
    const uint64_t size = sink == nullptr ? 0 : sink->size();
    if (size > most) {
      most = size;
      fruitless = 0;
      pause = policy.first_wait;
    } else {
      ++fruitless;
    }
    const int limit = reached ? policy.fruitless_tries : policy.unreachable_tries;
    if (fruitless >= limit || tries >= policy.most_tries) {
      return errorf("{} (tried {} times)", result.problem, tries);
    }
    if (result.asked_wait > policy.longest_asked_wait) {
      return errorf("{} and asks to wait for {:.0f} seconds", result.problem, result.asked_wait);
    }
    if (!wait(std::max(pause, result.asked_wait))) return errorf("{}: ended", shown_url(request.url));
    pause = std::min(pause * 2, policy.longest_wait);
  }
}

std::string HttpAnswer::header(std::string_view name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

Result<bool> HttpText::begin(const HttpAnswer& answer) {
  text_.clear();
  url_ = answer.url;
  if (answer.status == 200) return true;
  return errorf("{}: answers {}, expected 200", shown_url(url_), answer.status);
}

Status HttpText::write(std::string_view bytes) {
  if (bytes.size() > most_ - text_.size()) {
    return errorf("{}: sends more than {} bytes, the most that is read here", shown_url(url_), most_);
  }
  text_ += bytes;
  return {};
}

HttpClient::HttpClient(const HttpPolicy& policy, const std::atomic<bool>* stop) : state_(std::make_unique<State>()) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  LOWBIT_CHECK(ready == CURLE_OK);
  state_->policy = policy;
  state_->stop = stop;
  state_->handle = curl_easy_init();
  LOWBIT_CHECK(state_->handle != nullptr);
}

HttpClient::HttpClient(HttpClient&&) noexcept = default;

HttpClient::~HttpClient() {
  if (state_ != nullptr) curl_easy_cleanup(state_->handle);
}

Result<HttpAnswer> HttpClient::get(const HttpRequest& request, HttpSink& sink) {
  return state_->persist(request, &sink);
}

Result<HttpAnswer> HttpClient::head(const HttpRequest& request) { return state_->persist(request, nullptr); }

}  // namespace lowbit::io

// For the tests: an HTTP server on this machine that does what it is told to, a broken connection or a lie among it.
// Written on plain sockets, without any code of the client under test.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace lowbit::io::test {

struct ServerRequest {
  std::string method, path;
  std::map<std::string, std::string> headers;  // names in lower case
  uint64_t sent = 0;                           // bytes of body that went out

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
  // Of "Range: bytes=N-"; 0 without one.
  uint64_t from() const {
    const std::string range = header("range");
    return range.starts_with("bytes=") ? std::stoull(range.substr(6)) : 0;
  }
};

struct ServerAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool with_length = true;                 // says Content-Length
  int64_t length = -1;                     // what it says there, where not the truth
  uint64_t cut = UINT64_MAX;               // the connection breaks after so many bytes of body
  bool endless = false;                    // the body is repeated for ever
  bool endless_headers = false;            //
  std::chrono::microseconds per_block{0};  // pause after each 4096 bytes
  std::chrono::milliseconds before{0};     // pause before the answer
};

class TestServer {
 public:
  using Handler = std::function<ServerAnswer(const ServerRequest&)>;

  explicit TestServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no server");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~TestServer() {
    stop_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (std::thread& thread : threads_) thread.join();
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  std::string url(const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(port_);
  }
  // All requests so far, once none is being answered.
  std::vector<ServerRequest> requests() const {
    for (int i = 0; i < 5000 && present_ > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  // Requests of a method for a path that contains `part`.
  std::vector<ServerRequest> requests(const std::string& method, const std::string& part) const {
    std::vector<ServerRequest> some;
    for (const ServerRequest& request : requests()) {
      if (request.method == method && request.path.find(part) != std::string::npos) some.push_back(request);
    }
    return some;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    requests_.clear();
  }
  // The most connections that were answered at one time.
  int most_at_once() const { return most_; }

 private:
  void accept_all() {
    while (!stop_) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) break;
      threads_.emplace_back([this, fd] {
        serve(fd);
        ::shutdown(fd, SHUT_WR);
        ::close(fd);
      });
    }
  }
  static bool read_request(int fd, ServerRequest& request) {
    std::string text;
    char block[4096];
    while (text.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::recv(fd, block, sizeof block, 0);
      if (got <= 0) return false;
      text.append(block, static_cast<size_t>(got));
    }
    const size_t space = text.find(' ');
    request.method = text.substr(0, space);
    request.path = text.substr(space + 1, text.find(' ', space + 1) - space - 1);
    for (size_t at = text.find("\r\n") + 2; text.compare(at, 2, "\r\n") != 0;) {
      const size_t end = text.find("\r\n", at), colon = text.find(": ", at);
      std::string name = text.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(::tolower(c));
      request.headers[name] = text.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    return true;
  }
  static bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return true;
  }
  void serve(int fd) {
    ServerRequest request;
    if (!read_request(fd, request)) return;
    const int now = ++present_;
    for (int most = most_; now > most && !most_.compare_exchange_weak(most, now);) {
    }
    const ServerAnswer answer = handler_(request);
    std::this_thread::sleep_for(answer.before);
    std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " As Told\r\nConnection: close\r\n";
    for (const auto& [name, value] : answer.headers) head += name + ": " + value + "\r\n";
    const auto length = answer.length >= 0 ? static_cast<uint64_t>(answer.length) : answer.body.size();
    if (answer.with_length && !answer.endless) head += "Content-Length: " + std::to_string(length) + "\r\n";
    bool alive = send_all(fd, head);
    for (uint64_t i = 0; alive && !stop_ && answer.endless_headers; ++i) {
      alive = send_all(fd, "X-Number-" + std::to_string(i) + ": " + std::string(1000, 'x') + "\r\n");
    }
    alive = alive && send_all(fd, "\r\n");
    if (request.method != "HEAD" && alive) send_body(fd, answer, request.sent);
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    --present_;
  }
  void send_body(int fd, const ServerAnswer& answer, uint64_t& sent) const {
    const std::string_view body = answer.body;
    do {
      for (size_t at = 0; at < body.size() && !stop_; at += 4096) {
        const size_t left = static_cast<size_t>(std::min<uint64_t>(4096, answer.cut - sent));
        const std::string_view block = body.substr(at, left);
        if (!send_all(fd, block)) return;
        sent += block.size();
        if (sent >= answer.cut) return;
        std::this_thread::sleep_for(answer.per_block);
      }
    } while (answer.endless && !stop_);
  }

  Handler handler_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> present_ = 0, most_ = 0;
  mutable std::mutex mutex_;
  std::vector<ServerRequest> requests_;
  std::thread acceptor_;
  std::vector<std::thread> threads_;
};

}  // namespace lowbit::io::test

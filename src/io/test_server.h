// For the tests: an HTTP server on this machine that does what it is told to, a broken connection or a lie among it;
// and a Hugging Face hub on top of it. Written on plain sockets, without any code of the client under test.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>

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
  std::vector<ServerRequest> requests() const {
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

inline std::string digest_of(const EVP_MD* kind, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, kind, nullptr);
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += "0123456789abcdef"[digest[i] >> 4];
    out += "0123456789abcdef"[digest[i] & 15];
  }
  return out;
}

// What a hub tells of a content: the SHA-256 of large files, of small ones what git calls them.
inline std::string hub_hash(std::string_view content, bool large) {
  if (large) return digest_of(EVP_sha256(), content);
  std::string blob = "blob " + std::to_string(content.size());
  blob += '\0';
  return digest_of(EVP_sha1(), blob.append(content));
}

// The hub of one repository, whose large files lie on another host. `change` may change any answer.
class FakeHub {
 public:
  static constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";
  using Change = std::function<void(const ServerRequest&, ServerAnswer&)>;

  explicit FakeHub(std::map<std::string, std::string> files)
      : files_(std::move(files)),
        store_([this](const ServerRequest& request) { return store(request); }),
        hub_([this](const ServerRequest& request) { return answer(request); }) {}

  std::string endpoint() const { return hub_.url(); }
  TestServer& hub() { return hub_; }
  TestServer& store() { return store_; }
  // Both are to be called while no client runs.
  void change(Change change) { change_ = std::move(change); }
  void change_store(Change change) { change_store_ = std::move(change); }
  void set_listing(std::string listing) { listing_ = std::move(listing); }
  void set_commit(std::string commit) { commit_ = std::move(commit); }
  std::map<std::string, std::string>& files() { return files_; }

  static bool is_large(const std::string& file) { return file.ends_with(".safetensors") || file.ends_with(".gguf"); }

 private:
  ServerAnswer store(const ServerRequest& request) {
    ServerAnswer answer = send_part(request, files_.at(request.path.substr(1, request.path.find('?') - 1)));
    answer.headers.emplace_back("ETag", "\"of the store\"");
    if (change_store_) change_store_(request, answer);
    return answer;
  }
  static ServerAnswer send_part(const ServerRequest& request, const std::string& content) {
    ServerAnswer answer;
    answer.body = content;
    if (!request.headers.contains("range")) return answer;
    const uint64_t from = request.from();
    answer.status = from < content.size() ? 206 : 416;
    answer.body = from < content.size() ? content.substr(from) : "";
    answer.headers.emplace_back("Content-Range", "bytes " + std::to_string(from) + "-" +
                                                     std::to_string(content.size() - 1) + "/" +
                                                     std::to_string(content.size()));
    return answer;
  }
  ServerAnswer answer(const ServerRequest& request) {
    ServerAnswer answer = truth(request);
    if (change_) change_(request, answer);
    return answer;
  }
  ServerAnswer truth(const ServerRequest& request) {
    if (request.path == "/api/models/org/tiny/revision/main") return listing();
    const std::string begin = "/org/tiny/resolve/" + commit_ + "/";
    const std::string file = request.path.starts_with(begin) ? request.path.substr(begin.size()) : "";
    if (!files_.contains(file)) return {404, {{"X-Error-Message", "Entry not found"}}, "{}"};
    const std::string& content = files_.at(file);
    const std::string tag = "\"" + hub_hash(content, is_large(file)) + "\"";
    if (!is_large(file)) {
      ServerAnswer answer = send_part(request, content);
      answer.headers.insert(answer.headers.end(), {{"ETag", tag}, {"X-Repo-Commit", commit_}});
      return answer;
    }
    return {302,
            {{"X-Linked-Size", std::to_string(content.size())},
             {"X-Linked-ETag", tag},
             {"X-Repo-Commit", commit_},
             {"Location", store_.url("localhost") + "/" + file + "?Signature=secret"}},
            "Found."};
  }
  ServerAnswer listing() const {
    if (!listing_.empty()) return {200, {}, listing_};
    std::string text;
    for (const auto& [file, content] : files_)
      text += (text.empty() ? "" : ",") + ("{\"rfilename\":\"" + file + "\"}");
    return {200,
            {{"Content-Type", "application/json"}},
            R"({"id":"org/tiny","sha":")" + commit_ + R"(","siblings":[)" + text + "]}"};
  }

  std::map<std::string, std::string> files_;
  std::string listing_, commit_ = kCommit;
  Change change_, change_store_;
  TestServer store_, hub_;
};

}  // namespace lowbit::io::test

#include "io/http.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <optional>

#include "io/test_files.h"
#include "io/test_server.h"
#include "io/url.h"

namespace lowbit::io {
namespace {

using test::ServerAnswer;
using test::ServerRequest;
using test::TestServer;

TEST(Url, parts) {
  EXPECT_EQ(*origin_of("https://Hub.example/a"), (Origin{"https", "hub.example", "443"}));
  EXPECT_EQ(*origin_of("http://user:pw@hub.example:81?x"), (Origin{"http", "hub.example", "81"}));
  for (const char* wrong : {"", "hub.example/a", "ftp://hub.example", "file:///etc/hostname", "http://"}) {
    EXPECT_FALSE(origin_of(wrong).ok()) << wrong;
  }
  // RFC 3986, 5.4.1.
  EXPECT_EQ(*resolve_url("http://a/b/c/d;p?q", "../g"), "http://a/b/g");
  EXPECT_EQ(*resolve_url("http://a/b/c/d;p?q", "/g"), "http://a/g");
  EXPECT_EQ(*resolve_url("http://a/b/c/d;p?q", "//g/x?y"), "http://g/x?y");
  EXPECT_EQ(*resolve_url("http://a/b", "https://c/d"), "https://c/d");
  EXPECT_FALSE(resolve_url("http://a/b", "file:///etc/hostname").ok());
  EXPECT_FALSE(resolve_url("http://a/b", "").ok());
  EXPECT_EQ(percent_encoded("a b/ü#?%.gguf", true), "a%20b/%C3%BC%23%3F%25.gguf");
  EXPECT_EQ(percent_encoded("refs/pr/1", false), "refs%2Fpr%2F1");
  EXPECT_EQ(shown_url("https://me:secret@h/a?Signature=secret#x"), "https://h/a");
  EXPECT_EQ(shown_url("https://h/a@b"), "https://h/a@b");
}

HttpPolicy quick() {
  HttpPolicy policy;
  policy.first_wait = policy.longest_wait = 0.01;
  policy.stall = 3;
  return policy;
}

Result<std::string> text_at(const std::string& url, const std::string& token = "") {
  ::setenv("no_proxy", "*", 1);
  HttpClient client(quick());
  HttpText text(1000);
  LOWBIT_ASSIGN(const HttpAnswer answer, client.get({url, token}, text));
  return answer.status == 200 ? text.text() : std::to_string(answer.status);
}

TEST(Http, the_token_comes_back_with_its_origin) {
  std::optional<TestServer> other;
  TestServer own([&](const ServerRequest& request) {
    if (request.path == "/end") return ServerAnswer{200, {}, request.header("authorization")};
    return ServerAnswer{307, {{"Location", other->url() + "/back"}}, ""};
  });
  other.emplace([&](const ServerRequest& request) {
    EXPECT_EQ(request.header("authorization"), "");  // the same host under another port
    return ServerAnswer{302, {{"Location", own.url() + "/end"}}, ""};
  });
  EXPECT_EQ(*text_at(own.url() + "/begin", "t"), "Bearer t");
  EXPECT_EQ(*text_at(own.url() + "/end"), "");
}

TEST(Http, statuses_and_bounds) {
  TestServer server([](const ServerRequest& request) {
    if (request.path == "/404") return ServerAnswer{404, {}, "no"};
    if (request.path == "/endless") {
      ServerAnswer answer{404, {}, "no"};
      answer.endless = true;
      return answer;
    }
    if (request.path == "/loop") return ServerAnswer{301, {{"Location", "/loop"}}, ""};
    if (request.path == "/odd") return ServerAnswer{302, {{"Location", "gopher://127.0.0.1/"}}, ""};
    return ServerAnswer{200, {}, std::string(1001, 'x')};
  });
  EXPECT_EQ(*text_at(server.url() + "/404"), "404");
  EXPECT_EQ(*text_at(server.url() + "/endless"), "404");
  EXPECT_NE(text_at(server.url() + "/loop").message().find("more than 8 redirects"), std::string::npos);
  EXPECT_NE(text_at(server.url() + "/odd").message().find("no address of http"), std::string::npos);
  EXPECT_NE(text_at(server.url() + "/long").message().find("more than 1000 bytes"), std::string::npos);
}

TEST(Http, an_end_from_outside) {
  TestServer server([](const ServerRequest&) { return ServerAnswer{503, {{"Retry-After", "60"}}, ""}; });
  std::atomic<bool> stop = false;
  HttpClient client(quick(), &stop);
  HttpText text(1000);
  std::thread later([&] {
    while (server.requests().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stop = true;
  });
  EXPECT_FALSE(client.get({server.url(), ""}, text).ok());
  later.join();
}

// A server with a certificate for 127.0.0.1 that it signed itself; redirects to `location`.
class TlsServer {
 public:
  TlsServer(const std::string& certificate_file, std::string location) : location_(std::move(location)) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION* host = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(certificate, host, -1);
    X509_EXTENSION_free(host);
    X509_sign(certificate, key, EVP_sha256());
    FILE* file = std::fopen(certificate_file.c_str(), "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context_, certificate);
    SSL_CTX_use_PrivateKey(context_, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 8);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = fmt::format("https://127.0.0.1:{}", ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    SSL_CTX_free(context_);
  }
  const std::string& url() const { return url_; }

 private:
  void serve() {
    for (int fd = 0; (fd = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(fd)) {
      SSL* ssl = SSL_new(context_);
      SSL_set_fd(ssl, fd);
      char block[4096];
      if (SSL_accept(ssl) == 1 && SSL_read(ssl, block, sizeof block) > 0) {
        const std::string answer = fmt::format(
            "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", location_);
        SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
        SSL_shutdown(ssl);
      }
      SSL_free(ssl);
    }
  }
  std::string location_, url_;
  SSL_CTX* context_ = nullptr;
  int listener_ = -1;
  std::thread thread_;
};

TEST(Http, encryption_is_kept_and_certificates_are_checked) {
  const test::TemporaryFolder folder;
  TestServer plain([](const ServerRequest&) { return ServerAnswer{200, {}, "in the clear"}; });
  TlsServer server(folder / "certificate.pem", plain.url() + "/x");
  const std::string before = std::getenv("CURL_CA_BUNDLE") == nullptr ? "" : std::getenv("CURL_CA_BUNDLE");
  const auto untrusted = text_at(server.url());
  ASSERT_FALSE(untrusted.ok());
  EXPECT_NE(untrusted.message().find("certificate"), std::string::npos) << untrusted.message();
  ::setenv("CURL_CA_BUNDLE", (folder / "certificate.pem").c_str(), 1);
  const auto redirected = text_at(server.url(), "t");
  ::setenv("CURL_CA_BUNDLE", before.c_str(), 1);
  ASSERT_FALSE(redirected.ok());
  EXPECT_EQ(redirected.message(),
            fmt::format("{}: redirects to {}/x, which is not encrypted", server.url(), plain.url()));
  EXPECT_TRUE(plain.requests().empty());
}

}  // namespace
}  // namespace lowbit::io

// What a hub may send that is wrong, and what must come of it: one sentence, and nothing under a final name.
#include <gtest/gtest.h>

#include "io/hf_hub.h"
#include "io/test_hub.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;
using test::content_of;
using test::FakeHub;
using test::HfHubTest;
using test::ServerAnswer;
using test::ServerRequest;

// Each lie: what the error names; nothing is left under a final name.
TEST_F(HfHubTest, lies_of_the_store) {
  struct Lie {
    const char* says;
    FakeHub::Change change;
  };
  const std::vector<Lie> lies = {
      {"expected 300000", [](const auto&, ServerAnswer& a) { a.body.resize(299'999); }},
      {"sends 300001 bytes, expected 300000", [](const auto&, ServerAnswer& a) { a.body += "x"; }},
      {"sends more than 300000 bytes",
       [](const auto&, ServerAnswer& a) {
         a.body += "x";
         a.with_length = false;
       }},
      {"sends more than 300000 bytes", [](const auto&, ServerAnswer& a) { a.endless = true; }},
      {"the answer ended after 299999 bytes",
       [](const auto&, ServerAnswer& a) {
         a.body = a.body.substr(0, a.body.size() - (a.status == 206 ? a.body.size() : 1));
         a.with_length = false;
       }},
      {"expected ", [](const auto&, ServerAnswer& a) { a.body[1000] ^= 1; }},
      {"sends headers of more than", [](const auto&, ServerAnswer& a) { a.endless_headers = true; }},
  };
  for (const Lie& lie : lies) {
    fs::remove_all(hub_.cache);
    fake_.change_store(lie.change);
    const std::string error = error_of_pull();
    EXPECT_NE(error.find(lie.says), std::string::npos) << error;
    EXPECT_TRUE(error.starts_with(fake_.store().url("localhost") + "/model.safetensors") ||
                error.starts_with(fake_.endpoint() + "/org/tiny/resolve/"))
        << error;
    EXPECT_EQ(error.find("Signature"), std::string::npos) << error;
    EXPECT_FALSE(fs::exists(repo("blobs/" + weights_hash()))) << error;
    EXPECT_FALSE(fs::exists(repo("snapshots"))) << error;
    EXPECT_FALSE(fs::exists(repo("refs/main"))) << error;
  }
  // What has the wrong hash is no beginning either.
  fs::remove_all(hub_.cache);
  fake_.change_store([](const auto&, ServerAnswer& a) { a.body[1000] ^= 1; });
  std::string other = weights_;
  other[1000] ^= 1;
  const std::string error = error_of_pull();
  EXPECT_NE(error.find(test::hub_hash(other, true)), std::string::npos) << error;
  EXPECT_NE(error.find(weights_hash()), std::string::npos) << error;
  EXPECT_FALSE(fs::exists(repo("blobs/" + weights_hash() + ".incomplete")));
}

TEST_F(HfHubTest, lies_of_the_hub) {
  struct Lie {
    const char* part;  // of the path
    const char* says;
    FakeHub::Change change;
  };
  const auto replace = [](const char* name, const char* value) {
    return [name, value](const ServerRequest&, ServerAnswer& a) {
      std::erase_if(a.headers, [&](const auto& header) { return header.first == name; });
      a.headers.emplace_back(name, value);
    };
  };
  const std::vector<Lie> lies = {
      {"resolve", "expected a number", replace("X-Linked-Size", "99999999999999999999")},
      {"resolve", "expected a number", replace("X-Linked-Size", "-5")},
      {"resolve", "bytes are to be downloaded, but only", replace("X-Linked-Size", "17000000000000")},
      {"resolve", "expected a SHA-256 or a SHA-1 of git", replace("X-Linked-ETag", "\"../../../x\"")},
      {"resolve", "is of the commit", replace("X-Repo-Commit", "ffffffffffffffffffffffffffffffffffffffff")},
      {"model.safetensors", "no address of http", replace("Location", "file:///etc/hostname")},
      {"model.safetensors", "no address of http", replace("Location", "")},
      {"model.safetensors", "redirects",
       replace("Location", "/org/tiny/resolve/0123456789abcdef0123456789abcdef01234567/model.safetensors")},
      {"vocab.txt", "has the SHA-1 of git", [](const auto&, ServerAnswer& a) { a.body = "hellx\n"; }},
      {"api/", "sends more than", [](const auto&, ServerAnswer& a) { a.endless = true; }},
      {"api/", "sends headers of more than", [](const auto&, ServerAnswer& a) { a.endless_headers = true; }},
      {"api/", "parse error", [](const auto&, ServerAnswer& a) { a.body = "<html>"; }},
      {"api/", "JSON nested", [](const auto&, ServerAnswer& a) { a.body = std::string(100'000, '['); }},
      {"api/", "\"sha\"", [](const auto&, ServerAnswer& a) { a.body = R"({"sha":"../..","siblings":[]})"; }},
      {"api/", "\"siblings\"",
       [](const auto&, ServerAnswer& a) { a.body = R"({"sha":"0123456789abcdef0123456789abcdef01234567"})"; }},
  };
  for (const Lie& lie : lies) {
    fs::remove_all(hub_.cache);
    fake_.change([&](const ServerRequest& request, ServerAnswer& answer) {
      if (request.path.find(lie.part) != std::string::npos) lie.change(request, answer);
    });
    const std::string error = error_of_pull();
    EXPECT_NE(error.find(lie.says), std::string::npos) << error;
    EXPECT_NE(error.find(lie.says[0] == 'b' ? hub_.cache : fake_.endpoint()), std::string::npos) << error;
    EXPECT_FALSE(fs::exists(repo("snapshots"))) << error;
    EXPECT_FALSE(fs::exists(repo("refs/main"))) << error;
  }
}

TEST_F(HfHubTest, hostile_names) {
  for (const char* file : {"../x.json", "/etc/x.json", "a/../../b.json", "a//b.json", "", "./a.json", "a\\\\b.json",
                           "a\\u0000b.json", "a\\nb.json", "config.json/"}) {
    fake_.set_listing(
        std::string(
            R"({"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"config.json"},{"rfilename":")") +
        file + "\"}]}");
    const std::string error = error_of_pull();
    EXPECT_NE(error.find("may not stand in a repository"), std::string::npos) << file << ": " << error;
  }
  EXPECT_TRUE(cached().empty());
}

// What another program left may be wrong, or longer than the file.
TEST_F(HfHubTest, a_wrong_beginning_is_dropped) {
  fs::create_directories(repo("blobs"));
  for (const std::string& left :
       {content_of(1000, 77), weights_.substr(0, weights_.size() - 1) + "?", weights_ + "?"}) {
    fs::remove_all(repo("snapshots"));
    fs::remove(repo("blobs/" + weights_hash()));
    test::write_file(repo("blobs/" + weights_hash() + ".incomplete"), left);
    expect_whole(pull());
  }
}

TEST_F(HfHubTest, a_wrong_range_begins_anew) {
  int count = 0;
  fake_.change_store([&](const ServerRequest& request, ServerAnswer& answer) {
    ++count;
    if (count == 1) answer.cut = 100'000;
    if (count != 2) return;
    EXPECT_EQ(request.from(), 100'000u);
    answer.body = weights_.substr(50'000);
    for (auto& [name, value] : answer.headers) {
      if (name == "Content-Range") value = "bytes 50000-299999/300000";
    }
  });
  expect_whole(pull());
  const auto requests = fake_.store().requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[2].from(), 0u);
}

}  // namespace
}  // namespace lowbit::io

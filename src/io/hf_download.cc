#include "io/hf_download.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/file.h"
#include "io/hf_name.h"
#include "io/url.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

namespace fs = std::filesystem;

constexpr size_t kConnections = 4;
constexpr auto kTick = std::chrono::milliseconds(100);

Error system_error(std::string_view action, const std::string& path) {
  return errorf("{}: cannot {}: {}", path, action, std::strerror(errno));
}

// Digits up to the end of the text or to `end`; false where there are none.
bool take_number(std::string_view& text, uint64_t& number) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

// "bytes 100-199/200" says that all bytes from `from` to the end of a file of `bytes` follow (RFC 9110, 14.4).
bool is_rest(std::string_view range, uint64_t from, uint64_t bytes) {
  uint64_t first = 0, last = 0, all = bytes;
  if (!range.starts_with("bytes ")) return false;
  range.remove_prefix(6);
  if (!take_number(range, first) || !range.starts_with('-')) return false;
  range.remove_prefix(1);
  if (!take_number(range, last) || !range.starts_with('/')) return false;
  range.remove_prefix(1);
  if (range != "*" && (!take_number(range, all) || !range.empty())) return false;
  return first == from && all == bytes && last + 1 == bytes;
}

// The beginning of a file on disk, which an answer continues.
class BlobSink final : public HttpSink {
 public:
  static Result<std::unique_ptr<BlobSink>> open(const std::string& path, const HfBlob& blob,
                                                std::atomic<uint64_t>& arrived) {
    auto sink = std::make_unique<BlobSink>(path, blob, arrived);
    sink->fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    struct stat info{};
    if (sink->fd_ < 0 || ::fstat(sink->fd_, &info) != 0) return system_error("open", path);
    if (!S_ISREG(info.st_mode)) return errorf("{}: not a regular file", path);
    sink->size_ = static_cast<uint64_t>(info.st_size);
    if (sink->size_ > blob.bytes) LOWBIT_TRY(sink->drop());
    return sink;
  }
  BlobSink(std::string path, const HfBlob& blob, std::atomic<uint64_t>& arrived)
      : path_(std::move(path)), blob_(blob), arrived_(arrived) {}
  ~BlobSink() override {
    if (fd_ >= 0) ::close(fd_);
  }

  uint64_t size() const override { return size_; }
  bool complete() const override { return size_ == blob_.bytes; }

  Result<bool> begin(const HttpAnswer& answer) override {
    url_ = answer.url;
    if (answer.status == 200) {  // the whole file, whatever was asked for
      const std::string length = answer.header("content-length");
      uint64_t bytes = 0;
      std::string_view rest = length;
      if (!length.empty() && (!take_number(rest, bytes) || !rest.empty() || bytes != blob_.bytes)) {
        LOWBIT_TRY(drop());
        return errorf("{}: sends {} bytes, expected {}", shown_url(url_), printable(length, 40), blob_.bytes);
      }
      LOWBIT_TRY(drop());
      return true;
    }
    if (answer.status == 206 && is_rest(answer.header("content-range"), size_, blob_.bytes)) return true;
    const bool had = size_ > 0;
    LOWBIT_TRY(drop());
    if (had) return false;
    return errorf("{}: answers {} with the range {}, expected all {} bytes", shown_url(url_), answer.status,
                  shown(answer.header("content-range")), blob_.bytes);
  }

  Status write(std::string_view bytes) override {
    if (bytes.size() > blob_.bytes - size_) {
      LOWBIT_TRY(drop());
      return errorf("{}: sends more than {} bytes, the size that {} told", shown_url(url_), blob_.bytes,
                    shown_url(blob_.url));
    }
    while (!bytes.empty()) {
      const ssize_t put = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return system_error("write", path_);
      size_ += static_cast<uint64_t>(put);
      arrived_ += static_cast<uint64_t>(put);
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return {};
  }

  Status drop() {
    arrived_ -= std::min(arrived_.load(), size_);
    size_ = 0;
    return ::ftruncate(fd_, 0) == 0 ? Status() : system_error("shorten", path_);
  }
  Status flush() const { return ::fsync(fd_) == 0 ? Status() : system_error("write", path_); }

 private:
  std::string path_, url_;
  const HfBlob& blob_;
  std::atomic<uint64_t>& arrived_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

// Downloads what is missing of the blob into its incomplete file; whether all of it came from this answer alone.
Result<bool> fill(const HfRepo& repo, const HfBlob& blob, const std::string& token, HttpClient& client,
                  std::atomic<uint64_t>& arrived) {
  const std::string path = repo.incomplete(blob.hash);
  LOWBIT_ASSIGN(const auto sink, BlobSink::open(path, blob, arrived));
  const bool anew = sink->size() == 0;
  if (sink->complete()) return anew;
  LOWBIT_ASSIGN(const HttpAnswer answer, client.get({blob.url, token}, *sink));
  if (!sink->complete()) {
    return errorf("{}: answers {}, expected the {} bytes of the file", shown_url(answer.url), answer.status,
                  blob.bytes);
  }
  LOWBIT_TRY(sink->flush());
  return anew;
}

Status download_blob(const HfRepo& repo, const HfBlob& blob, const std::string& token, HttpClient& client,
                     const std::atomic<bool>& stop, std::atomic<uint64_t>& arrived) {
  LOWBIT_ASSIGN(const HfLock lock, HfLock::take(repo.lock(blob.hash), stop));
  const std::string path = repo.blob(blob.hash), incomplete = repo.incomplete(blob.hash);
  std::error_code error;
  while (!fs::is_regular_file(path, error)) {
    LOWBIT_ASSIGN(const bool anew, fill(repo, blob, token, client, arrived));
    LOWBIT_ASSIGN(const std::string hash, hash_like(incomplete, blob.hash));
    if (hash == blob.hash) {
      fs::rename(incomplete, path, error);
      if (error) return errorf("{}: cannot be put in its place: {}", path, error.message());
      return {};
    }
    fs::remove(incomplete, error);
    // The beginning may have come from elsewhere: once more, from the first byte.
    if (!anew) continue;
    return errorf("{}: the content has the {} {}, expected {}", shown_url(blob.url),
                  is_sha256(blob.hash) ? "SHA-256" : "SHA-1 of git", hash, blob.hash);
  }
  return {};
}

Status check_space(const std::string& folder, uint64_t needed) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error || needed <= space.available) return {};
  return errorf("{}: {} bytes are to be downloaded, but only {} are free", folder, needed, space.available);
}

uint64_t size_of(const std::string& path) {
  std::error_code error;
  const uint64_t bytes = fs::file_size(path, error);
  return error ? 0 : bytes;
}

}  // namespace

Status for_each_in_parallel(size_t count, const HttpPolicy& policy,
                            const std::function<Status(size_t, HttpClient&, const std::atomic<bool>&)>& work,
                            const std::function<void()>& tick) {
  std::atomic<bool> stop = false;
  std::mutex mutex;
  std::condition_variable ended;
  Status first;
  size_t next = 0, running = std::min(count, kConnections);
  const auto run = [&] {
    HttpClient client(policy, &stop);
    std::unique_lock lock(mutex);
    while (next < count && !stop.load()) {
      const size_t index = next++;
      lock.unlock();
      const Status done = work(index, client, stop);
      lock.lock();
      if (!done.ok() && first.ok()) first = done;
      if (!done.ok()) stop = true;
    }
    --running;
    ended.notify_all();
  };
  std::vector<std::jthread> threads;
  for (size_t i = 0, most = running; i < most; ++i) threads.emplace_back(run);
  std::unique_lock lock(mutex);
  while (!ended.wait_for(lock, kTick, [&] { return running == 0; })) {
    lock.unlock();
    tick();
    lock.lock();
  }
  return first;
}

Status download_blobs(const HfRepo& repo, std::span<const HfBlob> blobs, const std::string& token,
                      const HttpPolicy& policy, const ProgressFn& progress) {
  // Two files of the same content are one blob.
  std::vector<HfBlob> missing;
  uint64_t needed = 0;
  std::error_code failed;
  for (const HfBlob& blob : blobs) {
    const bool listed = std::ranges::any_of(missing, [&](const HfBlob& other) { return other.hash == blob.hash; });
    if (listed || fs::is_regular_file(repo.blob(blob.hash), failed)) continue;
    missing.push_back(blob);
    needed += blob.bytes - std::min(blob.bytes, size_of(repo.incomplete(blob.hash)));
  }
  if (missing.empty()) return {};
  LOWBIT_TRY(repo.make_folders());
  LOWBIT_TRY(check_space(repo.folder(), needed));
  // The largest first, so that none of them is left for the end.
  std::ranges::stable_sort(missing, std::greater(), &HfBlob::bytes);
  std::atomic<uint64_t> arrived = 0;
  const std::string stage = fmt::format("downloading {:.1f} MB", static_cast<double>(needed) / 1e6);
  const auto tick = [&] {
    const auto total = static_cast<double>(needed);
    report_progress(progress, stage, std::min(total, static_cast<double>(arrived.load())), total);
  };
  return for_each_in_parallel(
      missing.size(), policy,
      [&](size_t i, HttpClient& client, const std::atomic<bool>& stop) {
        return download_blob(repo, missing[i], token, client, stop, arrived);
      },
      tick);
}

Result<std::string> hash_like(const std::string& path, std::string_view like) {
  if (is_sha256(like)) return sha256_file(path);
  LOWBIT_ASSIGN(const MappedFile file, MappedFile::open(path));
  const auto bytes = file.bytes();
  const std::string head = fmt::format("blob {}", bytes.size());
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  LOWBIT_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) == 1 &&
               EVP_DigestUpdate(context.get(), head.c_str(), head.size() + 1) == 1 &&
               EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1 &&
               EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace lowbit::io

// Brings files of known size and hash into the blobs of a repository.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "io/hf_cache.h"
#include "io/http.h"

namespace lowbit::io {

// A file as the server's headers describe it.
struct HfBlob {
  std::string url;
  std::string hash;  // 64 digits: SHA-256 of the content; 40: its SHA-1 as a blob of git
  uint64_t bytes = 0;
};

// Calls work(index, client) for each index below `count`, several at a time, each with a client that no other call
// has meanwhile; `tick` in between, on the calling thread. After an error no further index begins and the clients end
// what they do; the first error is returned.
Status for_each_in_parallel(size_t count, const HttpPolicy& policy,
                            const std::function<Status(size_t, HttpClient&, const std::atomic<bool>& stop)>& work,
                            const std::function<void()>& tick);

// Downloads those that are missing, several at a time. What a broken download brought is gone on with; it stays where
// this one is broken too, but is deleted where its hash is wrong. An error names the address, what was found and what
// was expected.
Status download_blobs(const HfRepo& repo, std::span<const HfBlob> blobs, const std::string& token,
                      const HttpPolicy& policy, const ProgressFn& progress);

// The hash of a file in the form of `like`.
Result<std::string> hash_like(const std::string& path, std::string_view like);

}  // namespace lowbit::io

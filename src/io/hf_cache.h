// The cache that Hugging Face's own programs keep, shared with them: what they brought is used, and what is brought
// here they find.
//
//   models--ORG--NAME/refs/REVISION           the commit that the revision was when it was last asked for
//   models--ORG--NAME/blobs/HASH              the content of a file, under the hash that the server tells
//   models--ORG--NAME/blobs/HASH.incomplete   its beginning, where a download was broken off
//   models--ORG--NAME/snapshots/COMMIT/FILE   a link to the blob
//   .locks/models--ORG--NAME/HASH.lock        held (flock) by the process that downloads the blob
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lowbit::io {

// $HF_HUB_CACHE, else $HUGGINGFACE_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else
// ~/.cache/huggingface/hub; not made here.
Result<std::string> hf_cache_folder();

// $HF_TOKEN, else the text of the file $HF_TOKEN_PATH, else of $HF_HOME/token (HF_HOME as above); empty where there
// is none. An error where the token could not stand in a header.
Result<std::string> hf_token();

// Whether HF_HUB_OFFLINE forbids the network.
bool hf_is_offline();

// A lock on one blob; released with the object.
class HfLock {
 public:
  // Waits until the lock is free; an error where `stop` ends the wait.
  static Result<HfLock> take(const std::string& path, const std::atomic<bool>& stop);
  HfLock(HfLock&& other) noexcept;
  HfLock& operator=(HfLock&& other) noexcept;
  ~HfLock();

 private:
  HfLock() = default;
  int fd_ = -1;
};

// What the cache holds of one repository. Revisions, files and hashes given to it must be safe paths (hf_name.h).
class HfRepo {
 public:
  HfRepo(const std::string& cache, std::string_view repo);

  const std::string& folder() const { return folder_; }
  std::string blob(std::string_view hash) const;
  std::string incomplete(std::string_view hash) const;
  std::string lock(std::string_view hash) const;
  std::string snapshot(std::string_view commit) const;
  std::string file(std::string_view commit, std::string_view name) const;

  bool has(std::string_view commit, std::string_view name) const;
  // The commit of a revision (of a commit itself), as far as the cache knows; else empty.
  std::string commit_of(std::string_view revision) const;
  // The files of a snapshot, as paths in it, in order of their bytes.
  std::vector<std::string> files(std::string_view commit) const;

  Status make_folders() const;
  // Links a file of the snapshot to its blob.
  Status link(std::string_view commit, std::string_view name, std::string_view hash) const;
  Status set_revision(std::string_view revision, std::string_view commit) const;

 private:
  std::string folder_, locks_;
};

}  // namespace lowbit::io

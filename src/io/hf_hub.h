// Models of a Hugging Face hub, by name: hf:ORG/NAME[:FILE][@REVISION].
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "io/hf_cache.h"
#include "io/hf_name.h"
#include "io/http.h"

namespace lowbit::io {

// Where a hub is and where what it has is kept.
struct HfHub {
  std::string endpoint;  // address without a slash at its end
  std::string token;     // goes to the endpoint and nowhere else; may be empty
  std::string cache;
  bool offline = false;
  HttpPolicy policy;

  // HF_ENDPOINT, else https://huggingface.co; the rest as hf_cache.h says.
  static Result<HfHub> from_environment();
};

// A model in the cache.
struct HfModel {
  std::string path;                // of the file (of the first part where it is split), else of the snapshot's folder
  std::string commit;              // 40 digits
  std::vector<std::string> files;  // paths of all files that belong to it
  uint64_t bytes = 0;              // of these files
  std::string hash;                // of a single file: the name of its blob; else empty
};

// The model as the cache has it, without the network. An error where it is not there or not complete.
Result<HfModel> cached_hf_model(const HfHub& hub, const HfName& name);

// Asks the hub what the revision is now and brings the files that are missing: of a model with FILE that file, or all
// parts of a split GGUF; else config.json, tokenizer and safetensors files; else the only GGUF file there is. Each
// file is checked by the hash that the server tells. Where the hub may not be asked, the model as the cache has it.
Result<HfModel> pull_hf_model(const HfHub& hub, const HfName& name, const ProgressFn& progress);

// From the cache where it is there, else pulled.
Result<HfModel> find_hf_model(const HfHub& hub, const HfName& name, const ProgressFn& progress);

// Which files of a repository make the model; an error that lists what there is where none do. Public for its test.
Result<std::vector<std::string>> choose_hf_files(const HfName& name, const std::vector<std::string>& all);

}  // namespace lowbit::io

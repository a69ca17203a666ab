// A GGUF in several files, NAME-00001-of-0000N.gguf and so on, opened from the first, which holds the metadata.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/model_file.h"

namespace lowbit::io {

// The names of all parts of the model that `path` is the first part of; only `path` where its name is not of that
// form.
std::vector<std::string> split_paths(const std::string& path);

// The name of the first part of the model that `path` is a part of; `path` where its name is not of that form.
std::string first_of_split(const std::string& path);

// Joins the other parts to an opened file whose metadata says that there are any; else gives it back. Errors name
// what is missing.
Result<std::shared_ptr<const ModelFile>> join_split(std::shared_ptr<const ModelFile> first);

}  // namespace lowbit::io

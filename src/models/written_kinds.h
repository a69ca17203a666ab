// The kinds of model file that are written.
#pragma once

#include <span>
#include <string_view>

#include "io/model_writer.h"

namespace lowbit::models {

std::span<const io::WrittenKind* const> written_kinds();
// By the ending of the name; null where there is no such kind.
const io::WrittenKind* written_kind(std::string_view path);

}  // namespace lowbit::models

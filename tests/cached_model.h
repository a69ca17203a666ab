// Models that may lie in the user's cache; tests that need one are skipped where it does not.
#pragma once

#include <string>
#include <string_view>

#include "io/hub.h"

namespace lowbit::tests {

// The path of a known model, or nothing where it is not in the cache. Never downloads.
inline std::string cached_model(std::string_view name) {
  const auto models = io::list_models();
  if (!models.ok()) return {};
  for (const io::ListedModel& one : *models) {
    if (one.model.name == name && one.cached) return one.path;
  }
  return {};
}

}  // namespace lowbit::tests

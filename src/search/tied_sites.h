// Sites that must have one format, as one site of the allocation.
#pragma once

#include <span>
#include <vector>

#include "search/allocate.h"
#include "search/sensitivity.h"

namespace lowbit::search {

class TiedSites {
 public:
  // By the ties of the kind; a site without one stands alone. An error where tied sites have no choice in common.
  static Result<TiedSites> make(const std::vector<FormatSite>& sites, const io::WrittenKind& kind);

  // Bytes and losses of the members added up; the choices that all of them have.
  std::span<const Site> sites() const { return sites_; }
  // The choice of every member from that of every group.
  std::vector<uint32_t> expand(std::span<const uint32_t> chosen) const;

 private:
  struct Group {
    std::vector<size_t> members;
    std::vector<std::vector<uint32_t>> choices;  // [choice of the group][member]
  };
  Status add(const std::vector<FormatSite>& sites, const Group& members);

  std::vector<Site> sites_;
  std::vector<Group> groups_;
  size_t members_ = 0;
};

}  // namespace lowbit::search

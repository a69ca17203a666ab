#include "search/tied_sites.h"

#include <algorithm>
#include <map>
#include <optional>

namespace lowbit::search {
namespace {

// What a site chooses where another one made this choice; none where it has nothing like it.
std::optional<uint32_t> same_choice(const FormatSite& site, const SiteChoice& wanted) {
  for (size_t c = 0; c < site.choices.size(); ++c) {
    if (site.choices[c].format == wanted.format && site.choices[c].keep == wanted.keep) return c;
  }
  return std::nullopt;
}

}  // namespace

Result<TiedSites> TiedSites::make(const std::vector<FormatSite>& sites, const io::WrittenKind& kind) {
  TiedSites result;
  result.members_ = sites.size();
  std::map<std::string, size_t> by_key;
  std::vector<Group> groups;
  for (size_t i = 0; i < sites.size(); ++i) {
    const std::string key = kind.tied == nullptr ? std::string() : kind.tied(sites[i].parameter);
    const auto [at, added] = key.empty() ? std::pair(by_key.end(), true) : by_key.emplace(key, groups.size());
    if (added) groups.emplace_back();
    groups[added ? groups.size() - 1 : at->second].members.push_back(i);
  }
  for (const Group& group : groups) LOWBIT_TRY(result.add(sites, group));
  return result;
}

Status TiedSites::add(const std::vector<FormatSite>& sites, const Group& members) {
  Group group{members.members, {}};
  const FormatSite& first = sites[group.members[0]];
  Site site;
  site.name = fmt::format("{}[{}]", first.parameter, first.first);
  for (const SiteChoice& wanted : first.choices) {
    std::vector<uint32_t> chosen;
    Choice sum;
    for (const size_t member : group.members) {
      const std::optional<uint32_t> c = member == group.members[0]
                                            ? static_cast<uint32_t>(&wanted - first.choices.data())
                                            : same_choice(sites[member], wanted);
      if (!c) break;
      chosen.push_back(*c);
      sum.bytes += sites[member].choices[*c].bytes;
      sum.loss += sites[member].choices[*c].loss;
    }
    if (chosen.size() < group.members.size()) continue;
    site.choices.push_back(sum);
    group.choices.push_back(std::move(chosen));
  }
  if (site.choices.empty()) {
    return errorf(
        "tensor {} and tensor {} need one format in such a file, and have none in common: ask for one of both",
        first.parameter, sites[group.members.back()].parameter);
  }
  sites_.push_back(std::move(site));
  groups_.push_back(std::move(group));
  return {};
}

std::vector<uint32_t> TiedSites::expand(std::span<const uint32_t> chosen) const {
  std::vector<uint32_t> all(members_);
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t m = 0; m < groups_[g].members.size(); ++m)
      all[groups_[g].members[m]] = groups_[g].choices[chosen[g]][m];
  }
  return all;
}

}  // namespace lowbit::search

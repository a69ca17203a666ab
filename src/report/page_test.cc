#include "report/page.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace lowbit::report {
namespace {

nlohmann::json example() {
  std::ifstream file("src/report/testdata/example.json");
  return nlohmann::json::parse(file);
}

TEST(Page, Writes) {
  const std::string page = render_page(example());
  if (const char* path = std::getenv("LOWBIT_REPORT_PAGE")) std::ofstream(path) << page;
  EXPECT_GT(page.size(), 10000u);
}

}  // namespace
}  // namespace lowbit::report

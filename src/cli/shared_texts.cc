#include "cli/shared_texts.h"

#include <cstdlib>
#include <filesystem>

namespace lowbit::cli {

std::string shared_text(std::string_view name) {
  namespace fs = std::filesystem;
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed).parent_path();
  const char* given = std::getenv("LOWBIT_SHARE");
  for (const fs::path& folder :
       {fs::path(given == nullptr ? "" : given), program / "../share/lowbit", program / "../../share"}) {
    const fs::path file = (folder / "text" / name).lexically_normal();
    if (!folder.empty() && fs::is_regular_file(file, failed)) return file.string();
  }
  return "";
}

}  // namespace lowbit::cli

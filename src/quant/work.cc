#include "quant/work.h"

#include <filesystem>

namespace lowbit::quant {
namespace {

constexpr uint64_t kMostKeyBytes = 1 << 20;

}  // namespace

Result<WorkFolder> WorkFolder::open(const std::string& path, const std::string& key) {
  WorkFolder folder;
  folder.path_ = path;
  std::error_code failed;
  const Result<std::string> found = read_text_file(folder.file("key"), kMostKeyBytes);
  if (found.ok() && *found == key) {
    folder.resumed_ = true;
    return folder;
  }
  std::filesystem::remove_all(path, failed);
  std::filesystem::create_directories(path, failed);
  if (failed) return errorf("{}: cannot make the work folder: {}", path, failed.message());
  LOWBIT_TRY(write_text_file(folder.file("key"), key));
  return folder;
}

bool WorkFolder::has(const std::string& piece) const {
  std::error_code failed;
  return std::filesystem::is_regular_file(file(piece), failed);
}

Result<MappedFile> WorkFolder::read(const std::string& piece) const { return MappedFile::open(file(piece)); }

Status WorkFolder::write(const std::string& piece, std::span<const std::byte> bytes) const {
  LOWBIT_ASSIGN(FileWriter writer, FileWriter::create(file(piece)));
  LOWBIT_TRY(writer.write(bytes));
  return writer.commit();
}

void WorkFolder::remove() const {
  std::error_code failed;
  std::filesystem::remove_all(path_, failed);
}

}  // namespace lowbit::quant

#include "io/wheel.h"

#include <zip.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/file.h"

namespace lowbit::io {
namespace {

constexpr uint64_t kBlockBytes = 1 << 20;

std::string zip_message(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string message = zip_error_strerror(&error);
  zip_error_fini(&error);
  return message;
}

}  // namespace

Status extract_member(const std::string& archive, const std::string& member, uint64_t bytes, const std::string& to,
                      const ProgressFn& progress) {
  int code = 0;
  const std::unique_ptr<zip_t, void (*)(zip_t*)> zip(zip_open(archive.c_str(), ZIP_RDONLY, &code), zip_discard);
  if (zip == nullptr) return errorf("{}: cannot be read as a zip archive: {}", archive, zip_message(code));
  zip_stat_t info;
  if (zip_stat(zip.get(), member.c_str(), 0, &info) != 0) return errorf("{}: has no member {}", archive, member);
  if ((info.valid & ZIP_STAT_SIZE) == 0 || info.size != bytes) {
    return errorf("{}: member {} has {} bytes, expected {}", archive, member, info.size, bytes);
  }
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> from(zip_fopen(zip.get(), member.c_str(), 0), zip_fclose);
  if (from == nullptr) return errorf("{}: member {}: {}", archive, member, zip_strerror(zip.get()));
  LOWBIT_ASSIGN(FileWriter writer, FileWriter::create(to));
  std::vector<std::byte> block(kBlockBytes);
  for (uint64_t done = 0; done < bytes;) {
    const zip_int64_t got = zip_fread(from.get(), block.data(), std::min(kBlockBytes, bytes - done));
    if (got <= 0) return errorf("{}: member {} ends after {} of {} bytes", archive, member, done, bytes);
    LOWBIT_TRY(writer.write(std::span(block).first(static_cast<size_t>(got))));
    done += static_cast<uint64_t>(got);
    report_progress(progress, "unpacking", static_cast<double>(done), static_cast<double>(bytes));
  }
  return writer.commit();
}

}  // namespace lowbit::io

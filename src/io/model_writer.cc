#include "io/model_writer.h"

#include "io/gguf_writer.h"
#include "io/safetensors.h"

namespace lowbit::io {
namespace {

class NativeWriter final : public ModelWriter {
 public:
  explicit NativeWriter(SafetensorsWriter writer) : writer_(std::move(writer)) {}
  Status write(std::string_view name, const tensor::Weight& weight) override { return writer_.write(name, weight); }
  Status commit() override { return writer_.commit(); }
  uint64_t file_bytes() const override { return writer_.file_bytes(); }

 private:
  SafetensorsWriter writer_;
};

Result<std::unique_ptr<ModelWriter>> create_native(const std::string& path, const FileContent& content) {
  LOWBIT_ASSIGN(SafetensorsWriter writer,
                SafetensorsWriter::create(path, content.metadata, content.plan,
                                          {content.tensors.begin(), content.tensors.end()}));
  return std::unique_ptr<ModelWriter>(std::make_unique<NativeWriter>(std::move(writer)));
}

Result<uint64_t> native_bytes(const FileContent& content) {
  return native_file_bytes(content.metadata, content.plan, content.tensors);
}

// Every entry reaches the next multiple of the alignment.
Result<uint64_t> native_tensor_bytes(const StoredTensor& tensor) {
  LOWBIT_ASSIGN(const std::vector<Piece> pieces, pieces_of(tensor));
  uint64_t sum = 0;
  for (const Piece& piece : pieces) sum += (piece.bytes + kNativeAlignment - 1) / kNativeAlignment * kNativeAlignment;
  return sum;
}

Result<formats::Format> native_holds(const formats::Format& format, std::span<const int64_t> /*shape*/) {
  return format;
}

constexpr WrittenKind kKinds[] = {
    {".safetensors", true, native_bytes, native_tensor_bytes, native_holds, create_native},
    {".gguf", false, gguf_file_bytes, gguf_tensor_bytes, gguf_holds, create_gguf},
};

}  // namespace

std::span<const WrittenKind> written_kinds() { return kKinds; }

const WrittenKind& native_kind() { return kKinds[0]; }

const WrittenKind* written_kind(std::string_view path) {
  for (const WrittenKind& kind : kKinds) {
    if (path.ends_with(kind.ending)) return &kind;
  }
  return nullptr;
}

}  // namespace lowbit::io

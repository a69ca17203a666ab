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

Result<formats::Format> native_holds(const formats::Format& format, std::string_view /*tensor*/,
                                     std::span<const int64_t> /*shape*/) {
  return format;
}

constexpr WrittenKind kNative = {
    ".safetensors", "lowbit's .safetensors", true, native_bytes, native_tensor_bytes, native_holds, create_native};
constexpr WrittenKind kGguf = {".gguf", "GGUF", false, gguf_file_bytes, gguf_tensor_bytes, gguf_holds, create_gguf};

}  // namespace

const WrittenKind& native_kind() { return kNative; }

const WrittenKind& gguf_kind() { return kGguf; }

}  // namespace lowbit::io

#include "io/npy.h"

#include <array>
#include <cstring>
#include <string_view>

#include "base/bits.h"
#include "io/byte_reader.h"
#include "io/limits.h"
#include "io/utf8.h"

namespace lowbit::io {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr uint64_t kMostHeader = 64 << 10;
constexpr size_t kMostDimensions = 32;
constexpr uint64_t kAlignment = 64;

// One element type: how NumPy describes it.
struct Dtype {
  NpyType type;
  std::string_view name, descr;
  uint64_t bytes;
};

// In the order of the enum; what one of them is called otherwise stands behind them.
constexpr Dtype kDtypes[] = {{NpyType::float32, "float32", "<f4", 4}, {NpyType::uint8, "uint8", "|u1", 1},
                             {NpyType::uint16, "uint16", "<u2", 2},   {NpyType::uint32, "uint32", "<u4", 4},
                             {NpyType::float16, "float16", "<f2", 2}, {NpyType::float64, "float64", "<f8", 8},
                             {NpyType::uint8, "uint8", "<u1", 1}};

const Dtype& dtype_of(NpyType type) { return kDtypes[static_cast<size_t>(type)]; }

// "float32 or uint8 (<f4, |u1)".
std::string listed(std::span<const NpyType> types) {
  std::string names, descrs;
  for (size_t i = 0; i < types.size(); ++i) {
    const Dtype& dtype = dtype_of(types[i]);
    names += fmt::format("{}{}", i == 0 ? "" : i + 1 == types.size() ? " or " : ", ", dtype.name);
    descrs += fmt::format("{}{}", i == 0 ? "" : ", ", dtype.descr);
  }
  return fmt::format("{} ({})", names, descrs);
}

// Why a type is none of ours, where its letters tell.
std::string_view kind_of(std::string_view descr) {
  if (descr.starts_with('>')) return " (big-endian)";
  if (descr.starts_with("|O")) return " (Python objects)";
  return "";
}

// The header is a Python dictionary of three known keys; this reads only that shape of it.
class Dictionary {
 public:
  explicit Dictionary(std::string_view text) : text_(text) {}

  bool read() {
    if (!take('{')) return false;
    while (!take('}')) {
      std::string key;
      if (!read_string(key) || !take(':') || !read_value(key)) return false;
      if (!take(',') && peek() != '}') return false;
    }
    skip_blank();
    return text_.empty() && has_descr_ && has_order_ && has_shape_;
  }

  std::string descr;
  bool fortran_order = false;
  std::vector<uint64_t> shape;

 private:
  void skip_blank() {
    const size_t begin = text_.find_first_not_of(" \t\n\r");
    text_.remove_prefix(std::min(begin, text_.size()));
  }
  char peek() {
    skip_blank();
    return text_.empty() ? '\0' : text_.front();
  }
  bool take(char c) {
    if (peek() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip_blank();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  bool read_string(std::string& out) {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return false;
    const size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos) return false;
    out = std::string(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    return true;
  }
  bool read_number(uint64_t& out) {
    if (std::string_view("0123456789").find(peek()) == std::string_view::npos) return false;
    for (out = 0; !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; text_.remove_prefix(1)) {
      const auto ten = checked_mul(out, 10);
      if (!ten.has_value() || *ten > kMaxElements) return false;
      out = *ten + static_cast<uint64_t>(text_.front() - '0');
    }
    take_word("L");  // as Python 2 wrote it
    return true;
  }
  bool read_shape() {
    if (!take('(')) return false;
    while (!take(')')) {
      uint64_t n = 0;
      if (!read_number(n) || shape.size() == kMostDimensions) return false;
      shape.push_back(n);
      if (!take(',') && peek() != ')') return false;
    }
    return true;
  }
  bool read_value(std::string_view key) {
    if (key == "descr") return !std::exchange(has_descr_, true) && read_string(descr);
    if (key == "shape") return !std::exchange(has_shape_, true) && read_shape();
    if (key != "fortran_order" || std::exchange(has_order_, true)) return false;
    fortran_order = take_word("True");
    return fortran_order || take_word("False");
  }

  std::string_view text_;
  bool has_descr_ = false, has_order_ = false, has_shape_ = false;
};

Result<std::string_view> read_header(ByteReader& reader, std::span<const std::byte> bytes) {
  LOWBIT_ASSIGN(const auto magic, (reader.read<std::array<char, 6>>("the magic number")));
  if (std::string_view(magic.data(), magic.size()) != kMagic) return reader.error("not an .npy file");
  LOWBIT_ASSIGN(const uint8_t major, reader.read<uint8_t>("the version"));
  LOWBIT_ASSIGN(const uint8_t minor, reader.read<uint8_t>("the version"));
  if (major < 1 || major > 3) return reader.error("an .npy file of version {}.{}, expected 1 to 3", major, minor);
  uint64_t length = 0;
  if (major == 1) {
    LOWBIT_ASSIGN(length, reader.read<uint16_t>("the length of the header"));
  } else {
    LOWBIT_ASSIGN(length, reader.read<uint32_t>("the length of the header"));
  }
  if (length > std::min(kMostHeader, reader.left())) {
    return reader.error("a header of {} bytes, with {} bytes left and at most {} read", length, reader.left(),
                        kMostHeader);
  }
  return std::string_view(reinterpret_cast<const char*>(bytes.data()) + reader.offset(), length);
}

template <class T>
decltype(NpyArray::values) copied(std::span<const std::byte> data) {
  std::vector<T> values(data.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), data.data(), data.size());
  return values;
}

// The types of the variant of NpyArray, in its order.
constexpr NpyType kCopied[] = {NpyType::float32, NpyType::uint8, NpyType::uint16};
constexpr decltype(NpyArray::values) (*kCopy[])(std::span<const std::byte>) = {copied<float>, copied<uint8_t>,
                                                                               copied<uint16_t>};

}  // namespace

std::string_view npy_type_name(NpyType type) { return dtype_of(type).name; }
uint64_t npy_type_bytes(NpyType type) { return dtype_of(type).bytes; }

int64_t NpyView::elements() const { return static_cast<int64_t>(data.size() / npy_type_bytes(type)); }

Result<NpyView> view_npy(const std::string& name, std::span<const std::byte> bytes, const NpyWanted& wanted) {
  ByteReader reader(name, bytes);
  LOWBIT_ASSIGN(const std::string_view header, read_header(reader, bytes));
  Dictionary dictionary(header);
  if (!dictionary.read()) return reader.error("the header {} is not understood", shown(header));
  if (dictionary.fortran_order && !wanted.fortran_order) {
    return reader.error("an array in Fortran order, expected C order");
  }
  const Dtype* dtype = nullptr;
  for (const Dtype& one : kDtypes) {
    if (one.descr != dictionary.descr) continue;
    for (const NpyType type : wanted.types) dtype = type == one.type ? &one : dtype;
  }
  if (dtype == nullptr) {
    return reader.error("an array of type {}{}, expected {}", shown(dictionary.descr), kind_of(dictionary.descr),
                        listed(wanted.types));
  }
  NpyView view;
  view.type = dtype->type;
  view.fortran_order = dictionary.fortran_order;
  uint64_t size = dtype->bytes;
  for (const uint64_t n : dictionary.shape) {
    const auto product = checked_mul(size, n);
    if (!product.has_value()) return reader.error("an array of too many elements");
    size = *product;
    view.shape.push_back(static_cast<int64_t>(n));
  }
  view.data = bytes.subspan(reader.offset() + header.size());
  if (view.data.size() != size) {
    return reader.error("{} bytes of data, expected {} from the shape", view.data.size(), size);
  }
  return view;
}

Result<NpyView> map_npy(const std::string& path, const NpyWanted& wanted) {
  LOWBIT_ASSIGN(const MappedFile file, MappedFile::open(path));
  LOWBIT_ASSIGN(NpyView view, view_npy(path, file.bytes(), wanted));
  view.owner = file.owner();
  return view;
}

Result<NpyArray> parse_npy(const std::string& name, std::span<const std::byte> bytes) {
  LOWBIT_ASSIGN(NpyView view, view_npy(name, bytes, {kCopied}));
  NpyArray array;
  array.shape = std::move(view.shape);
  array.values = kCopy[static_cast<size_t>(view.type)](view.data);
  return array;
}

Result<NpyArray> read_npy(const std::string& path) {
  LOWBIT_ASSIGN(const MappedFile file, MappedFile::open(path));
  return parse_npy(path, file.bytes());
}

Result<NpyWriter> NpyWriter::create(const std::string& path, NpyType type, std::span<const int64_t> shape,
                                    bool fortran_order) {
  const Dtype& dtype = dtype_of(type);
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': (", dtype.descr, fortran_order ? "True" : "False");
  uint64_t elements = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    header += fmt::format("{}{}", i == 0 ? "" : ", ", shape[i]);
    elements *= static_cast<uint64_t>(shape[i]);
  }
  header += shape.size() == 1 ? ",), }" : "), }";
  const size_t prefix = kMagic.size() + 2 + sizeof(uint16_t);
  header.append((kAlignment - (prefix + header.size() + 1) % kAlignment) % kAlignment, ' ');
  header += '\n';
  LOWBIT_ASSIGN(FileWriter file, FileWriter::create(path));
  const auto length = static_cast<uint16_t>(header.size());
  LOWBIT_TRY(file.write(kMagic));
  LOWBIT_TRY(file.write(std::string_view("\1\0", 2)));
  LOWBIT_TRY(file.write(std::as_bytes(std::span(&length, 1))));
  LOWBIT_TRY(file.write(header));
  NpyWriter writer(std::move(file));
  writer.left_ = elements * dtype.bytes;
  return writer;
}

Status NpyWriter::write(std::span<const std::byte> data) {
  LOWBIT_CHECK(data.size() <= left_);
  left_ -= data.size();
  return file_.write(data);
}

Status NpyWriter::commit() {
  LOWBIT_CHECK(left_ == 0);
  return file_.commit();
}

Status write_npy(const std::string& path, const NpyArray& array) {
  LOWBIT_ASSIGN(NpyWriter writer, NpyWriter::create(path, kCopied[array.values.index()], array.shape));
  LOWBIT_TRY(
      writer.write(std::visit([](const auto& values) { return std::as_bytes(std::span(values)); }, array.values)));
  return writer.commit();
}

}  // namespace lowbit::io

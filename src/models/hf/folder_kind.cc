#include "models/hf/folder_kind.h"

#include <algorithm>

#include "io/checkpoint.h"
#include "io/checkpoint_writer.h"
#include "io/safetensors_header.h"
#include "io/utf8.h"
#include "models/hf/compressed_layout.h"
#include "models/hf/folder_image.h"
#include "models/hf/module_rows.h"

namespace lowbit::models::hf {
namespace {

using formats::Format;
using nlohmann::json;

// Matrices that no program quantizes in this layout: looked up, or the choice of experts.
constexpr std::string_view kPlain[] = {"token_embd", "position_embd", "token_types", "ffn_gate_inp"};
constexpr std::string_view kHead = "output";

// vLLM runs these as one product, which has one layout.
struct Tie {
  std::string_view name, together;
};
constexpr Tie kTies[] = {{"attn_q", "attn_qkv"},      {"attn_k", "attn_qkv"},       {"attn_v", "attn_qkv"},
                         {"ffn_gate", "ffn_gate_up"}, {"ffn_up", "ffn_gate_up"},    {"ffn_gate_exps", "ffn_exps"},
                         {"ffn_up_exps", "ffn_exps"}, {"ffn_down_exps", "ffn_exps"}};

// "attn_q" of "blk.3.attn_q.weight"; empty of what is no weight.
std::string_view part_of(std::string_view tensor) {
  constexpr std::string_view kWeight = ".weight";
  if (!tensor.ends_with(kWeight)) return {};
  tensor.remove_suffix(kWeight.size());
  return tensor.substr(tensor.rfind('.') + 1);  // npos + 1 is 0
}

bool is_plain_only(std::string_view tensor) { return std::ranges::find(kPlain, part_of(tensor)) != std::end(kPlain); }

bool is_free(std::string_view tensor) { return !is_plain_only(tensor) && part_of(tensor) != kHead; }

std::string tied(std::string_view tensor) {
  const std::string_view part = part_of(tensor);
  const Tie* found = std::ranges::find(kTies, part, &Tie::name);
  if (found == std::end(kTies)) return {};
  return fmt::format("{}{}", tensor.substr(0, tensor.rfind(part)), found->together);
}

bool is_float(const Format& format) {
  return format.is_plain() && (format == *formats::parse_format("f32") || format == *formats::parse_format("f16") ||
                               format == *formats::parse_format("bf16"));
}

Result<Format> holds(const Format& format, std::string_view tensor, std::span<const int64_t> shape) {
  if (is_float(format)) return format;
  if (shape.size() < 2) return errorf("{}, which a vector of a checkpoint is not kept in", formats::print(format));
  if (is_plain_only(tensor)) {
    return errorf(
        "it is not multiplied, and only products are quantized in compressed-tensors; {} can be bf16, f16 or f32",
        tensor);
  }
  return held_format(format, shape.back());
}

class FolderFacts final : public io::SourceFacts {
 public:
  explicit FolderFacts(FolderImage image) : image(std::move(image)) {}
  FolderImage image;
};

Result<std::shared_ptr<const io::SourceFacts>> prepare(std::shared_ptr<const io::ModelFile> source) {
  LOWBIT_ASSIGN(FolderImage image, image_of(std::move(source)));
  return std::shared_ptr<const io::SourceFacts>(std::make_shared<FolderFacts>(std::move(image)));
}

// A tensor of the model with the tensors of the checkpoint that hold it.
struct Announced {
  io::StoredTensor stored;
  const FolderPlace* place = nullptr;
  const CompressedLayout* layout = nullptr;  // null: plain
  std::vector<ModulePart> parts;             // of one module
  size_t first = 0;                          // in the checkpoint; modules follow each other
  int64_t rows = 0, cols = 0;                // of one module

  int64_t modules() const { return static_cast<int64_t>(place->names.size()); }
};

std::string module_of(const std::string& name) { return name.substr(0, name.rfind('.')); }

// The format in which a tensor is kept; a vector that is as it was read has that of its source.
const Format& format_of(const io::StoredTensor& stored) { return stored.parts[0].format; }

Result<Announced> announce(const io::StoredTensor& stored, const FolderImage& image) {
  Announced a;
  a.stored = stored;
  const auto place = image.places.find(stored.name);
  if (place == image.places.end()) return errorf("tensor {} has no place in the folder", io::shown(stored.name));
  a.place = &place->second;
  if (stored.parts.size() != 1 || stored.row_order) {
    return errorf("tensor {} has rows in several formats, which compressed-tensors cannot hold",
                  io::shown(stored.name));
  }
  if (a.modules() == 0) return a;
  const Format& format = format_of(stored);
  LOWBIT_ASSIGN(const Format held, holds(format, stored.name, stored.shape));
  if (held != format) {
    return errorf("tensor {} of rows of {} elements has the format {}, which compressed-tensors cannot hold",
                  io::shown(stored.name), stored.shape.back(), formats::print(format));
  }
  a.cols = stored.shape.back();
  a.rows = 1;
  for (size_t i = stored.shape.size() == 3 ? 1 : 0; i + 1 < stored.shape.size(); ++i) a.rows *= stored.shape[i];
  const std::string& name = a.place->names[0];
  a.layout = is_float(format) ? nullptr : find_layout(format);
  if (a.layout != nullptr) {
    a.parts = a.layout->parts(format, a.rows, a.cols);
    return a;
  }
  const bool vector = stored.shape.size() < 2;
  std::vector<uint64_t> shape(stored.shape.begin() + (stored.shape.size() == 3 ? 1 : 0), stored.shape.end());
  const bool as_read = vector && format.element.bits == 32;
  a.parts.push_back({name.substr(name.rfind('.') + 1),
                     std::string(io::dtype_of_format(as_read ? a.place->vector : formats::print(format))),
                     std::move(shape)});
  return a;
}

// All that is known of a folder before its data.
struct Folder {
  std::vector<Announced> tensors;
  std::vector<io::CheckpointTensor> stored;  // those of the model, then what is copied
  json config;
};

// "quantization_config": a group of modules for each format, by name where there are several.
class Groups {
 public:
  void add(const Announced& a) {
    if (a.stored.shape.size() < 2) return;
    for (const std::string& name : a.place->names) {
      if (a.layout == nullptr) {
        if (!is_plain_only(a.stored.name) || part_of(a.stored.name) == "ffn_gate_inp")
          ignored_.push_back(module_of(name));
        continue;
      }
      auto found = std::ranges::find(groups_, format_of(a.stored), &Group::format);
      if (found == groups_.end()) found = groups_.insert(groups_.end(), {format_of(a.stored), a.layout, {}});
      found->modules.push_back(module_of(name));
    }
  }
  void ignore(const std::string& tensor) {
    if (tensor.ends_with(".weight")) ignored_.push_back(module_of(tensor));
  }
  bool empty() const { return groups_.empty(); }

  json config(bool has_head) const {
    json groups = json::object();
    std::string_view format = groups_[0].layout->name;
    for (size_t i = 0; i < groups_.size(); ++i) {
      const Group& group = groups_[i];
      if (group.layout->name != format) format = "mixed-precision";
      const json targets = groups_.size() == 1 ? json::array({"Linear"}) : json(group.modules);
      groups[fmt::format("group_{}", i)] = {{"targets", targets},
                                            {"weights", group.layout->weights(group.format)},
                                            {"input_activations", group.layout->activations()},
                                            {"output_activations", nullptr},
                                            {"format", group.layout->name}};
    }
    json ignored = ignored_;
    // A head that is the embedding is a module of its own.
    if (has_head) ignored.push_back("lm_head");
    return {{"quant_method", "compressed-tensors"},
            {"format", format},
            {"quantization_status", "compressed"},
            {"version", kCompressedVersion},
            {"global_compression_ratio", nullptr},
            {"kv_cache_scheme", nullptr},
            {"ignore", ignored},
            {"config_groups", groups}};
  }

 private:
  struct Group {
    Format format;
    const CompressedLayout* layout;
    std::vector<std::string> modules;
  };
  std::vector<Group> groups_;
  std::vector<std::string> ignored_;
};

Status check_ties(std::span<const io::StoredTensor> tensors) {
  std::map<std::string, const io::StoredTensor*> first;
  for (const io::StoredTensor& tensor : tensors) {
    const std::string key = tied(tensor.name);
    if (key.empty()) continue;
    const io::StoredTensor* other = first.emplace(key, &tensor).first->second;
    if (format_of(*other) == format_of(tensor)) continue;
    return errorf("tensor {} is {} and {} is {}, but vLLM multiplies with both at once: they need one format",
                  other->name, formats::print(format_of(*other)), tensor.name, formats::print(format_of(tensor)));
  }
  return {};
}

Result<Folder> make_folder(const io::FileContent& content) {
  const auto* facts = dynamic_cast<const FolderFacts*>(content.facts);
  LOWBIT_CHECK(facts != nullptr);
  const FolderImage& image = facts->image;
  LOWBIT_TRY(check_ties(content.tensors));
  Folder folder;
  Groups groups;
  bool has_head = false;
  for (const io::StoredTensor& stored : content.tensors) {
    LOWBIT_ASSIGN(Announced a, announce(stored, image));
    a.first = folder.stored.size();
    for (const std::string& name : a.place->names) {
      for (const ModulePart& part : a.parts) {
        folder.stored.push_back({fmt::format("{}.{}", module_of(name), part.part), part.dtype, part.shape});
      }
    }
    has_head = has_head || part_of(stored.name) == kHead;
    groups.add(a);
    folder.tensors.push_back(std::move(a));
  }
  for (const CopiedTensor& copied : image.copied) {
    folder.stored.push_back({copied.name, copied.dtype, copied.shape});
    groups.ignore(copied.name);
  }
  folder.config = image.config;
  if (!groups.empty()) folder.config["quantization_config"] = groups.config(!has_head);
  return folder;
}

Result<io::CheckpointLayout> layout_of(const Folder& folder, const io::FileContent& content) {
  std::vector<io::FolderFile> files = static_cast<const FolderFacts*>(content.facts)->image.files;
  files.push_back({"config.json", folder.config.dump(2) + "\n", ""});
  return io::CheckpointLayout::make(folder.stored, std::move(files), content.plan);
}

Result<uint64_t> file_bytes(const io::FileContent& content) {
  LOWBIT_ASSIGN(const Folder folder, make_folder(content));
  LOWBIT_ASSIGN(const io::CheckpointLayout layout, layout_of(folder, content));
  return layout.folder_bytes();
}

uint64_t bytes_of(const ModulePart& part) {
  uint64_t bytes = io::safetensors_dtype_bytes(part.dtype);
  for (const uint64_t n : part.shape) bytes *= n;
  return bytes;
}

// Vectors count as f32, whatever their source has.
Result<uint64_t> tensor_bytes(const io::StoredTensor& tensor) {
  uint64_t elements = 1;
  for (const int64_t n : tensor.shape) elements *= static_cast<uint64_t>(n);
  const Format& format = format_of(tensor);
  if (tensor.parts.size() != 1) return errorf("tensor {} has rows in several formats", io::shown(tensor.name));
  if (is_float(format)) return elements * format.element.bits / 8;
  LOWBIT_ASSIGN(const Format held, holds(format, tensor.name, tensor.shape));
  const int64_t cols = tensor.shape.back(), experts = tensor.shape.size() == 3 ? tensor.shape[0] : 1;
  uint64_t bytes = 0;
  for (const ModulePart& part :
       find_layout(held)->parts(held, static_cast<int64_t>(elements) / cols / experts, cols)) {
    bytes += bytes_of(part);
  }
  return bytes * static_cast<uint64_t>(experts);
}

class FolderWriter final : public io::ModelWriter {
 public:
  FolderWriter(std::string path, Folder folder, io::CheckpointWriter writer)
      : path_(std::move(path)), folder_(std::move(folder)), writer_(std::move(writer)) {}

  Status copy(const FolderImage& image) {
    for (const CopiedTensor& copied : image.copied) {
      const auto index = static_cast<size_t>(writer_.layout().find(copied.name));
      LOWBIT_TRY(writer_.write(index, 0, copied.bytes));
    }
    return {};
  }

  Status write(std::string_view name, const tensor::Weight& weight) override {
    if (next_ == folder_.tensors.size() || folder_.tensors[next_].stored.name != name) {
      return errorf("{}: tensor {} is written where {} was announced", path_, io::shown(name),
                    next_ == folder_.tensors.size() ? "none" : io::shown(folder_.tensors[next_].stored.name));
    }
    const Announced& a = folder_.tensors[next_++];
    if (weight.shape != a.stored.shape || weight.parts.size() != 1 || !weight.row_order.empty() ||
        weight.parts[0].format() != format_of(a.stored)) {
      return errorf("{}: tensor {} has another shape or format than was announced", path_, io::shown(name));
    }
    for (int64_t module = 0; module < a.modules(); ++module) {
      const size_t first = a.first + static_cast<size_t>(module) * a.parts.size();
      const EmitBytes emit = [&](size_t part, uint64_t at, std::span<const std::byte> bytes) {
        return writer_.write(first + part, at, bytes);
      };
      const ModuleRows rows(weight.parts[0], module * a.rows, a.rows, a.place->heads);
      const Status done = write_module(a, rows, emit);
      if (!done.ok()) return errorf("{}: tensor {}: {}", path_, io::shown(name), done.message());
    }
    return {};
  }

  Status commit() override {
    if (next_ < folder_.tensors.size()) {
      return errorf("{}: {} of {} tensors were written", path_, next_, folder_.tensors.size());
    }
    return writer_.commit();
  }

  uint64_t file_bytes() const override { return writer_.layout().folder_bytes(); }

 private:
  static Status write_module(const Announced& a, const ModuleRows& rows, const EmitBytes& emit) {
    if (a.stored.shape.size() < 2) {
      // One that the model has as it was read is not computed back: 1 added and taken off is not always nothing.
      const bool as_read = format_of(a.stored).element.bits == 32;
      if (as_read && !a.place->original.empty()) return emit(0, 0, a.place->original);
      return emit(0, 0, rows.vector(a.place->plus, *formats::parse_format(io::format_of_dtype(a.parts[0].dtype))));
    }
    const int64_t step = rows.step();
    for (int64_t begin = 0; begin < a.rows; begin += step) {
      const int64_t end = std::min(a.rows, begin + step);
      if (a.layout == nullptr) {
        const std::vector<std::byte> bytes = rows.plain(begin, end);
        LOWBIT_TRY(emit(0, bytes.size() / static_cast<uint64_t>(end - begin) * static_cast<uint64_t>(begin), bytes));
      } else {
        LOWBIT_TRY(a.layout->emit(format_of(a.stored), rows.codes(begin, end), begin, end, a.rows, a.cols, emit));
      }
    }
    return {};
  }

  std::string path_;
  Folder folder_;
  io::CheckpointWriter writer_;
  size_t next_ = 0;
};

Result<std::unique_ptr<io::ModelWriter>> create(const std::string& path, const io::FileContent& content) {
  auto folder = make_folder(content);
  if (!folder.ok()) return errorf("{}: cannot be written: {}", path, folder.message());
  LOWBIT_ASSIGN(io::CheckpointLayout layout, layout_of(*folder, content));
  LOWBIT_ASSIGN(io::CheckpointWriter writer, io::CheckpointWriter::create(path, std::move(layout)));
  auto result = std::make_unique<FolderWriter>(path, std::move(folder).value(), std::move(writer));
  LOWBIT_TRY(result->copy(static_cast<const FolderFacts*>(content.facts)->image));
  return std::unique_ptr<io::ModelWriter>(std::move(result));
}

// The dtype that the folder says its model is in, in which other programs compute; empty where it says none.
std::string dtype_of(const json& config) {
  for (const json& values : {config, config.value("text_config", json::object())}) {
    for (const char* key : {"dtype", "torch_dtype"}) {
      if (const auto found = values.find(key); found != values.end() && found->is_string())
        return found->get<std::string>();
    }
  }
  return {};
}

// Scales of f16 have 3 bits more than bf16 has.
std::string warning(std::span<const io::StoredTensor> tensors, const io::SourceFacts* facts) {
  static const formats::ElementFormat kF16 = *formats::parse_element("f16"), kBf16 = *formats::parse_element("bf16");
  const auto* folder = dynamic_cast<const FolderFacts*>(facts);
  LOWBIT_CHECK(folder != nullptr);
  if (dtype_of(folder->image.config) != "bfloat16") return {};
  std::string found, better;
  std::vector<Format> seen;
  for (const io::StoredTensor& stored : tensors) {
    Format format = format_of(stored);
    if (format.levels.size() != 1 || format.levels[0].scale != kF16) continue;
    if (std::ranges::find(seen, format) != seen.end()) continue;
    seen.push_back(format);
    found += (found.empty() ? "" : ", ") + formats::print(format);
    format.levels[0].scale = kBf16;
    better += (better.empty() ? "" : ", ") + formats::print(format);
  }
  if (found.empty()) return {};
  return fmt::format(
      "the scales of {} are f16, but config.json says bfloat16, to which vLLM and transformers round them; {} is "
      "read "
      "as it is",
      found, better);
}

constexpr io::WrittenKind kFolder = {.ending = "/",
                                     .name = "compressed-tensors",
                                     .file_bytes = file_bytes,
                                     .tensor_bytes = tensor_bytes,
                                     .holds = holds,
                                     .create = create,
                                     .prepare = prepare,
                                     .is_free = is_free,
                                     .instead = "bf16",
                                     .tied = tied,
                                     .check_path = io::check_replaceable,
                                     .warning = warning};

}  // namespace

const io::WrittenKind& folder_kind() { return kFolder; }

}  // namespace lowbit::models::hf

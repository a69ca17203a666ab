#include "tensor/element_table.h"

#include <array>

namespace lowbit::tensor {

const float* element_table(const formats::ElementFormat& element) {
  if (element.bits == 32) return nullptr;
  struct Slot {
    formats::ElementFormat element;
    const float* table = nullptr;
  };
  thread_local std::array<Slot, 8> slots;
  thread_local unsigned next = 0;
  for (const Slot& slot : slots) {
    if (slot.table != nullptr && slot.element == element) return slot.table;
  }
  Slot& slot = slots[next++ % slots.size()];
  slot.table = formats::decode_table(element).data();  // lives as long as the program
  slot.element = element;
  return slot.table;
}

}  // namespace lowbit::tensor

// How the array functions choose kernels and what they tell them. Internal to the formats room.
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "base/cpu.h"
#include "formats/arrays/args.h"
#include "formats/format.h"

namespace lowbit::formats {

const ArrayKernels& array_kernels(Isa isa);

// Is there a MagicCast for this element and policy; and it.
bool has_magic(const ElementFormat& f, const CastPolicy& policy);
MagicCast magic_plan(const ElementFormat& f, const CastPolicy& policy);

// Likewise a FixedCast.
bool has_fixed(const ElementFormat& f, const CastPolicy& policy);
FixedCast fixed_plan(const ElementFormat& f);

// Of an element of at most 8 bits. Cached; lives as long as the program.
const ByteDecode& byte_decode(const ElementFormat& f);

// For floats whose codes of 9 to 16 bits are decoded by arithmetic.
std::optional<WordDecode> word_decode(const ElementFormat& f);

// What becomes of zeros, infinities and so on.
Specials specials_of(const ElementFormat& f, const CastPolicy& policy);
// The letter, or 0, and the bits of a rounding.
Chance chance_of(const CastPolicy& policy, uint64_t seed);

// A plan that points to tables, and what keeps them.
struct Tables;
template <class Plan>
struct Held {
  Plan plan;
  std::shared_ptr<const Tables> tables;
};

// Searches in tables, for elements of at most 8 bits. has_neighbours asks for an element without even steps.
bool has_table(const ElementFormat& f, const CastPolicy& policy);
Held<TableCast> table_plan(const ElementFormat& f, const CastPolicy& policy);
bool has_neighbours(const ElementFormat& f, const CastPolicy& policy);
Held<NeighbourCast> neighbour_plan(const ElementFormat& f, const CastPolicy& policy, uint64_t seed);

// The scalar functions, for what has no kernel.
struct OneByOne {};

using Way = std::variant<OneByOne, StepCast, MagicCast, FixedCast, CarryCast, Held<TableCast>, Held<NeighbourCast>,
                         PositCast>;

enum class Numbers : uint8_t { floats, doubles };

// The kernel for this element, or none. For doubles there is step_doubles for a StepCast by chance; else the kernel
// takes them as floats, rounded to odd: enough where values, middles and ends of the range have at most 22 bits,
// which float holds. Kept (formats/recent.h): a plan takes longer than a short row.
const Way& way_of(const ElementFormat& f, const CastPolicy& policy, uint64_t seed, Numbers numbers);

// Is it a posit whose values are normal floats? Else a PositCast makes codes alone.
bool has_posit_values(const ElementFormat& f);

}  // namespace lowbit::formats

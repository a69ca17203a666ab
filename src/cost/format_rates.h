// How fast arrays become a format on this machine.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "base/result.h"
#include "formats/format.h"

namespace lowbit::cost {

struct FormatRate {
  std::string work;   // copy, cast, encode, encode-f64 (codes of 32 bits from doubles), decode, decode-bf16,
                      // arithmetic
  std::string name;   // the format; of arithmetic the operation behind it
  std::string kind;   // float, integer, fixed, codebook, block
  std::string round;  // of cast and encode
  Isa isa = Isa::portable;
  std::string resident;  // cache or memory
  int64_t elements = 0;
  int threads = 1;
  double nanoseconds = 0;  // per number
  double bytes = 0;        // read and written for each number, together
  double spread = 0;
  double share = 0;  // the time of a plain copy of the same numbers (of the bytes read and written) over this time
};

struct FormatRatesOptions {
  std::vector<formats::Format> formats;  // elements and block formats
  std::vector<Isa> isas;
  std::vector<std::string> rounds;  // as parse_policy() reads them
  bool memory = false;              // also arrays that no cache holds
  int threads = 1;
  double seconds = 0.05;  // for each row
};

// The default list: one of each kind.
std::vector<formats::Format> usual_formats();

// All rows, each handed to `row` as it is measured. An error: a kernel gave another answer than the scalar functions.
Status measure_formats(const FormatRatesOptions& options, const std::function<void(const FormatRate&)>& row);

}  // namespace lowbit::cost

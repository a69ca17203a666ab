// Lists of values that stand in files, "@levels.txt/64:f16". This room reads no file: who may read one passes a
// reader to the parser (io/format_text.h does).
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "formats/format.h"

namespace lowbit::formats {

struct ReadList {
  size_t length = 0;  // of the name of the file
  std::vector<float> values;
};

// text: all that stands behind the @, the name of a file first. An error is a whole sentence.
using ListReader = std::function<Result<ReadList>(std::string_view text)>;

// As those of format.h, for which an @ is an error.
Result<Format> parse_format(std::string_view text, const ListReader& reader);
Result<ElementFormat> parse_element(std::string_view text, const ListReader& reader);

}  // namespace lowbit::formats

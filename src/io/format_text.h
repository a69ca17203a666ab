// Strings of the format language as a user writes them: an element may also be @FILE, a list of values in a file.
//
// FILE is a text of 2 to 256 numbers between white space or commas (# starts a comment up to the end of the line), or
// an .npy array of one dimension; the numbers are rounded to float. Levels may follow: "@levels.txt/64:f16"; the name
// ends where a file has it. What is read is the list itself and prints as such.
#pragma once

#include <string_view>

#include "formats/format.h"

namespace lowbit::io {

// formats::parse_format and parse_element; an error in a file names the file, the place, what was found and expected.
Result<formats::Format> read_format(std::string_view text);
Result<formats::ElementFormat> read_element(std::string_view text);

}  // namespace lowbit::io

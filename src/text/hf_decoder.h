// The decoders of tokenizer.json: what tokens stand for.
#pragma once

#include <string>
#include <vector>

#include "text/detokenizer.h"
#include "text/json_reader.h"

namespace lowbit::text {

// Of tokens by id. null writes tokens with blanks between them.
Result<Detokenizer> make_hf_detokenizer(const JsonReader& json, const std::vector<std::string>& tokens);

}  // namespace lowbit::text

// Texts that ship with lowbit.
#pragma once

#include <string>
#include <string_view>

namespace lowbit::cli {

// The path of share/text/NAME: in $LOWBIT_SHARE, beside an installed program (../share/lowbit), or in the source tree
// that the program was built in. Empty where there is none.
std::string shared_text(std::string_view name);

}  // namespace lowbit::cli

#include <lowbit/number.h>

#include <iostream>

int main(int count, char** words) {
  using Tiny = lowbit::Number<"e4m3fn", "rne", "none", std::uint8_t>;
  const lowbit::NumberFormat& posit = lowbit::NumberFormat::of(count > 1 ? words[1] : "posit16");
  const lowbit::DynamicNumber third = lowbit::DynamicNumber(posit, 1) / lowbit::DynamicNumber(posit, 3);
  std::cout << Tiny(1) / Tiny(3) << " " << third << " " << std::numeric_limits<Tiny>::max() << "\n";
}

#include "base/named_list.h"

#include <gtest/gtest.h>

namespace lowbit {
namespace {

struct Item {
  std::string name;
  int value = 0;
};

TEST(NamedList, FindsTheFirstOfAName) {
  NamedList<Item> list = {{"a", 1}, {"b", 2}, {"a", 3}};
  EXPECT_EQ(list.size(), 3u);
  EXPECT_EQ(list.find("a")->value, 1);
  EXPECT_EQ(list.find("b")->value, 2);
  EXPECT_EQ(list.find("c"), nullptr);
  list.push_back({"c", 4});
  list[1].value = 5;
  const NamedList<Item> copy = list;
  EXPECT_EQ(copy.find("c"), &copy[3]);
  EXPECT_EQ(copy.find("b")->value, 5);
  int sum = 0;
  for (const Item& item : copy) sum += item.value;
  EXPECT_EQ(sum, 13);
}

}  // namespace
}  // namespace lowbit

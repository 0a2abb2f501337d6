#include "server/line_budget.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kprune {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

// What becomes of lines that come at these seconds after the start: "w" written, "f" the first held back, "h"
// held back; a number before it: so many were held back in the second before.
std::string Rulings(LineBudget& budget, const std::vector<double>& seconds) {
  std::string all;
  for (const double at : seconds) {
    const LineBudget::Ruling ruling = budget.Ask(kStart + absl::Seconds(at));
    if (ruling.held_back > 0) all += std::to_string(ruling.held_back);
    all += ruling.write ? "w" : ruling.first_held_back ? "f" : "h";
  }
  return all;
}

TEST(LineBudgetTest, Examples) {
  LineBudget budget(2);
  EXPECT_EQ(Rulings(budget, {0, 0.1, 0.2, 0.9, 0.99}), "wwfhh");
  EXPECT_EQ(Rulings(budget, {1, 1.1, 1.2}), "3wwf") << "a new second, and what the last one kept quiet about";
  EXPECT_EQ(Rulings(budget, {9, 20}), "1ww") << "told once";
}

TEST(LineBudgetTest, WhatComesNowAndThenIsAllWritten) {
  LineBudget budget(1);
  EXPECT_EQ(Rulings(budget, {0, 1, 2, 3.5, 4.5, 100}), "wwwwww");
}

TEST(LineBudgetTest, ASecondBeginsWithALine) {
  LineBudget budget(1);
  EXPECT_EQ(Rulings(budget, {0.9, 1.1, 1.89, 1.9}), "wfh2w");
}

TEST(LineBudgetTest, AFloodIsHeldToItsBudgetHoweverLongItLasts) {
  LineBudget budget(5);
  int64_t written = 0, told = 0, first = 0;
  for (int i = 0; i < 100'000; ++i) {
    const LineBudget::Ruling ruling = budget.Ask(kStart + absl::Milliseconds(i));
    written += ruling.write;
    told += ruling.held_back;
    first += ruling.first_held_back;
  }
  EXPECT_EQ(written, 100 * 5);
  EXPECT_EQ(first, 100);
  EXPECT_EQ(told, 99 * 995) << "all but the last second's";
}

TEST(LineBudgetTest, AClockThatIsSetBackSilencesNothing) {
  LineBudget budget(1);
  EXPECT_EQ(Rulings(budget, {1000, 1000.1, 3, 3.5}), "wf1wf");
}

}  // namespace
}  // namespace kprune

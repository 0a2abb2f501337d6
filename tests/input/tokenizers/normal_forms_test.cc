#include "engine/tokenizers/normal_forms.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

using ::testing::ElementsAre;

std::vector<char32_t> Characters(std::string_view text, NormalForm form) {
  std::vector<char32_t> characters;
  for (const CharacterChange& change : Normalized(text, form)) characters.push_back(change.character);
  return characters;
}

TEST(NormalFormsTest, Examples) {
  EXPECT_THAT(Characters("e\u0301\u0323", NormalForm::kNfc), ElementsAre(0x1EB9, 0x301));
  EXPECT_THAT(Characters("\u00e9", NormalForm::kNfd), ElementsAre('e', 0x301));
  EXPECT_THAT(Characters("\ufb01", NormalForm::kNfkc), ElementsAre('f', 'i'));
  EXPECT_THAT(Characters("\ufb01", NormalForm::kNfc), ElementsAre(0xFB01));
}

TEST(NormalFormsTest, HangulComposesWithTrailingConsonantsAlone) {
  EXPECT_THAT(Characters("\u1100\u1161\u11a8", NormalForm::kNfc), ElementsAre(0xAC01));
  EXPECT_THAT(Characters("\uac00\u11c2", NormalForm::kNfc), ElementsAre(0xAC1B));
  EXPECT_THAT(Characters("\uac00\u11a7", NormalForm::kNfc), ElementsAre(0xAC00, 0x11A7));
  EXPECT_THAT(Characters("\uac00\u11c3", NormalForm::kNfkc), ElementsAre(0xAC00, 0x11C3));
}

}  // namespace
}  // namespace kprune

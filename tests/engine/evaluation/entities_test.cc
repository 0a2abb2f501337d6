#include "engine/evaluation/entities.h"

#include "engine/formats/json.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

using Tags = std::vector<std::string>;

TEST(EntitiesTest, Examples) {
  const std::vector<Entity> entities = EntitiesOf(Tags{"B-PER", "I-PER", "O", "B-LOC"});
  ASSERT_EQ(entities.size(), 2u);
  EXPECT_EQ(entities[0], (Entity{"PER", 0, 1}));
  EXPECT_EQ(entities[1], (Entity{"LOC", 3, 3}));
  // Where the type changes an entity ends, whatever the tags' own rules say.
  EXPECT_EQ(EntitiesOf(Tags{"I-PER", "I-LOC"}).size(), 2u);

  EXPECT_TRUE(AreEntityTags(Tags{"O", "B-PER"}));
  EXPECT_FALSE(AreEntityTags(Tags{"NOUN", "VERB", "B"}));
}

TEST(EntitiesTest, AreThoseThatSeqevalFinds) {
  const absl::StatusOr<nlohmann::json> cases =
      ReadJsonFile(KPRUNE_SOURCE_DIR "/tests/engine/evaluation/goldens/entities.json");
  ASSERT_TRUE(cases.ok()) << cases.status();
  size_t checked = 0;
  for (const nlohmann::json& value : *cases) {
    for (size_t i = 0; i < value["found"].size(); ++i) {
      nlohmann::json found = nlohmann::json::array();
      for (const Entity& entity : EntitiesOf(value["found"][i].get<Tags>()))
        found.push_back({entity.type, entity.begin, entity.end});
      EXPECT_EQ(found, value["entities"][i]) << value["found"][i];
      ++checked;
    }
  }
  EXPECT_EQ(checked, 375u);
}

}  // namespace
}  // namespace kprune

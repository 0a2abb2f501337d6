// A source whose files are known once it has been listed.
#ifndef KPRUNE_SERVER_SOURCES_LISTED_MODEL_SOURCE_H_
#define KPRUNE_SERVER_SOURCES_LISTED_MODEL_SOURCE_H_

#include <map>
#include <string>
#include <utility>

#include "server/sources/model_source.h"

namespace kprune {

using SourceFiles = std::map<std::string, SourceFile, std::less<>>;

class ListedModelSource final : public ModelSource {
 public:
  explicit ListedModelSource(SourceFiles files) : files_(std::move(files)) {}

  std::optional<SourceFile> Find(std::string_view name) const override {
    const auto file = files_.find(name);
    if (file == files_.end()) return std::nullopt;
    return file->second;
  }

 private:
  const SourceFiles files_;  // by name
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_LISTED_MODEL_SOURCE_H_

#include "server/sources/model_source.h"

namespace kprune {
namespace {

class HttpModelSource final : public ModelSource {
 public:
  explicit HttpModelSource(const SourceUrl& folder) : folder_(folder) {}

  std::optional<SourceFile> Find(std::string_view name) const override {
    return SourceFile{.url = folder_.At(name)};
  }

 private:
  const SourceUrl folder_;
};

}  // namespace

std::unique_ptr<ModelSource> OpenHttpModelSource(const SourceUrl& folder) {
  return std::make_unique<HttpModelSource>(folder);
}

}  // namespace kprune

// A model's files on their way in: in a folder of their own that goes with them.
#ifndef KPRUNE_SERVER_SOURCES_FETCHED_MODEL_H_
#define KPRUNE_SERVER_SOURCES_FETCHED_MODEL_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace kprune {

struct FetchedFile {
  std::string name;            // on the allow-list of layout.h
  std::filesystem::path path;  // made by the server: no part of it comes from the source
  int64_t size_bytes = 0;
};

// Movable; removes the folder at its end.
class FetchedModel {
 public:
  // `folder` must not exist yet.
  explicit FetchedModel(std::filesystem::path folder) : folder_(std::move(folder)) {}
  FetchedModel(FetchedModel&& other) noexcept
      : files(std::move(other.files)), folder_(std::exchange(other.folder_, {})) {}
  FetchedModel& operator=(FetchedModel&&) = delete;
  ~FetchedModel() {
    std::error_code ignored;  // what is left goes when the server starts again
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  const std::filesystem::path& folder() const { return folder_; }

  std::vector<FetchedFile> files;

 private:
  std::filesystem::path folder_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_FETCHED_MODEL_H_

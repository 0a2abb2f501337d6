// Files that a test writes into a folder of its own.
#ifndef KPRUNE_TESTS_INPUT_WRITTEN_FILE_H_
#define KPRUNE_TESTS_INPUT_WRITTEN_FILE_H_

#include <filesystem>
#include <fstream>
#include <string_view>

#include "tests/support/temp_directory.h"

namespace kprune {

// Returns the file's path.
inline std::filesystem::path WriteFile(const TempDirectory& folder, std::string_view name,
                                       std::string_view contents) {
  const std::filesystem::path path = folder.path() / name;
  std::ofstream(path, std::ios::binary).write(contents.data(), static_cast<std::streamsize>(contents.size()));
  return path;
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_INPUT_WRITTEN_FILE_H_

// Which files lie in a model's folder on this machine. Thread-safe: pure functions.
#ifndef KPRUNE_MODEL_FILES_H_
#define KPRUNE_MODEL_FILES_H_

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace kprune {

// The names ("config.json", "1_Pooling/config.json"; sorted) of the files in the folder and in its direct
// sub-folders: nothing of a model lies deeper (kprune/layout.h). Files and sub-folders may be links, and
// count as what they lead to, as for everybody else who loads the model; none makes a loop, as nothing deeper
// is read. A link that leads nowhere is no file. Errors: what the system says of a folder that cannot be
// read.
inline absl::StatusOr<std::vector<std::string>> FileNamesOfModel(const std::filesystem::path& folder) {
  std::vector<std::string> names, folders = {""};  // grows while the first one is read
  for (size_t i = 0; i < folders.size(); ++i) {
    const std::string inside = folders[i];
    const std::filesystem::path place = i == 0 ? folder : folder / inside;
    std::error_code error, ignored;
    for (std::filesystem::directory_iterator entry(place, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string name = inside + entry->path().filename().string();
      const std::filesystem::file_type type = entry->status(ignored).type();
      if (type == std::filesystem::file_type::regular) names.push_back(name);
      if (type == std::filesystem::file_type::directory && i == 0) folders.push_back(name + "/");
    }
    if (error)
      return absl::ErrnoToStatus(error.value(),
                                 absl::StrCat("cannot read the model folder ", place.string()));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace kprune

#endif  // KPRUNE_MODEL_FILES_H_

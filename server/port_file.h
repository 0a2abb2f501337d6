// Tells a port that was chosen freely to whoever waits for it.
#ifndef KPRUNE_SERVER_PORT_FILE_H_
#define KPRUNE_SERVER_PORT_FILE_H_

#include <cstdio>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace kprune {

// The file is there with its content or not at all. Nothing where `path` is empty; UNAVAILABLE.
inline absl::Status WritePortFile(const std::string& path, int port) {
  if (path.empty()) return absl::OkStatus();
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary);
  if ((file << port << "\n").flush() && std::rename(temporary.c_str(), path.c_str()) == 0)
    return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write the port file ", path));
}

}  // namespace kprune

#endif  // KPRUNE_SERVER_PORT_FILE_H_

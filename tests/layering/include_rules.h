// Who may include whom, as data. A room is a folder (or one file) of the source tree; the longest matching
// path counts.
//
//   engine, worker, server, client -> include      worker -> engine      client, server, exporter -> proto
//   worker, server -> cage      client, exporter -> credentials
//
// The engine knows no gRPC, protobuf, database or job; its formats, tokenizers, data and kernels know no
// torch, and libonnx and libarrow are known to one folder each alone. Below server/rpc/ nothing sees a
// protobuf or gRPC. The contracts in include/ are plain C++. Pure functions; thread-safe.
#ifndef KPRUNE_TESTS_LAYERING_INCLUDE_RULES_H_
#define KPRUNE_TESTS_LAYERING_INCLUDE_RULES_H_

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace kprune::testing {

struct Room {
  std::string_view path;
  // What its files may include of ours, by the beginning of the include's text. "kprune/" is include/kprune/.
  std::vector<std::string_view> ours;
  // Which of the libraries below they may include. Any other library (Abseil, JSON, POSIX, ...) is free for
  // all.
  std::vector<std::string_view> libraries = {};
};

struct Library {
  std::string_view name;
  std::vector<std::string_view> includes;
};

inline const std::vector<Library>& RestrictedLibraries() {
  static const std::vector<Library> libraries = {
      {"torch", {"torch/", "ATen/", "c10/", "caffe2/"}},
      {"grpc", {"grpc/", "grpcpp/", "grpc++/"}},
      {"protobuf", {"google/protobuf/", "kprune/v1/"}},
      {"sqlite", {"sqlite3"}},
      {"prometheus", {"prometheus/", "civetweb"}},
      {"cli", {"CLI/"}},
      {"onnx", {"onnx/"}},
      {"curl", {"curl/"}},
      {"pugixml", {"pugixml"}},
      {"arrow", {"arrow/", "parquet/"}},
  };
  return libraries;
}

inline const std::vector<Room>& Rooms() {
  static const std::vector<Room> rooms = {
      {"include/", {"kprune/"}},
      {"engine/", {"kprune/", "engine/"}, {"torch"}},
      {"engine/formats/", {"kprune/", "engine/formats/", "engine/data/"}},
      {"engine/tokenizers/", {"kprune/", "engine/formats/", "engine/tokenizers/"}},
      {"engine/formats/onnx/", {"kprune/", "engine/formats/"}, {"onnx"}},
      {"engine/data/", {"kprune/", "engine/formats/", "engine/tokenizers/", "engine/data/"}},
      {"engine/data/parquet/",
       {"kprune/", "engine/formats/", "engine/tokenizers/", "engine/data/"},
       {"arrow"}},
      {"engine/kernels/", {"engine/kernels/"}},
      {"cage/", {"kprune/", "cage/"}},
      {"worker/", {"kprune/", "engine/", "worker/"}, {"torch"}},
      {"worker/confinement.cc", {"kprune/", "cage/", "worker/"}},
      {"worker/main.cc", {"kprune/", "cage/", "engine/", "worker/"}, {"torch", "cli"}},
      {"bench/", {"kprune/", "engine/", "worker/", "bench/"}, {"torch", "cli"}},
      {"server/", {"kprune/", "server/"}, {"sqlite", "prometheus", "cli"}},
      {"server/sources/", {"kprune/", "server/sources/", "server/artifacts/sha256.h"}, {"curl", "pugixml"}},
      {"server/rpc/", {"kprune/", "server/"}, {"grpc", "protobuf"}},
      {"server/grpc_endpoint", {"kprune/", "server/"}, {"grpc", "protobuf"}},
      {"server/grpc_log", {"kprune/", "server/"}, {"grpc"}},
      {"server/flags.cc", {"kprune/", "cage/", "server/"}, {"cli"}},
      {"server/main.cc", {"kprune/", "cage/", "server/"}, {"grpc", "protobuf", "cli"}},
      {"credentials/", {"kprune/", "credentials/"}, {"grpc"}},
      {"client/", {"kprune/", "client/", "credentials/"}, {"grpc", "protobuf", "cli"}},
      // Of the server only what every program that serves metrics has.
      {"exporter/",
       {"kprune/", "credentials/", "exporter/", "server/metrics/metrics_endpoint.h",
        "server/metrics/process_collector.h", "server/metrics/series.h", "server/command_line.h",
        "server/grpc_log.h", "server/host_and_port.h", "server/log.h", "server/port_file.h",
        "server/shutdown_signals.h"},
       {"grpc", "protobuf", "prometheus", "cli"}},
  };
  return rooms;
}

// The top of the server: what only it and main may include.
inline constexpr std::array<std::string_view, 2> kTopOfServer = {"server/rpc/", "server/grpc_endpoint"};

inline bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// nullptr where no room owns the file.
inline const Room* RoomOf(std::string_view file) {
  const Room* best = nullptr;
  for (const Room& room : Rooms()) {
    if (StartsWith(file, room.path) && (best == nullptr || room.path.size() > best->path.size()))
      best = &room;
  }
  return best;
}

// What is between the quotes or angle brackets of an #include line; nullopt for any other line.
inline std::optional<std::string> IncludeOf(const std::string& line) {
  static const std::regex pattern(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"].*$)");
  std::smatch match;
  if (!std::regex_match(line, match, pattern)) return std::nullopt;
  return match[1].str();
}

// Why `file` (relative to the source tree) must not include `include`, as a sentence; empty where it may.
inline std::string Violation(std::string_view file, std::string_view include) {
  const auto begins = [&](std::string_view prefix) { return StartsWith(include, prefix); };
  const auto says = [&](const std::string& reason) {
    return std::string(file) + " includes " + std::string(include) + ": " + reason;
  };
  const Room* room = RoomOf(file);
  if (room == nullptr) return says("the file is in no known room");
  for (const Library& library : RestrictedLibraries()) {
    if (!std::any_of(library.includes.begin(), library.includes.end(), begins)) continue;
    const auto& allowed = room->libraries;
    if (std::find(allowed.begin(), allowed.end(), library.name) != allowed.end()) return "";
    return says(std::string(room->path) + " sees no " + std::string(library.name));
  }
  const auto is_top = [](std::string_view path) {
    return std::any_of(kTopOfServer.begin(), kTopOfServer.end(),
                       [&](std::string_view top) { return StartsWith(path, top); });
  };
  if (is_top(include) && !is_top(file) && file != "server/main.cc")
    return says("nothing below server/rpc/ knows it");
  if (include.find("..") != std::string_view::npos)
    return says("includes are named from the source tree's root");
  constexpr std::array<std::string_view, 12> ours = {"kprune/", "include/",  "cage/",        "engine/",
                                                     "worker/", "server/",   "credentials/", "client/",
                                                     "proto/",  "exporter/", "tests/",       "bench/"};
  if (std::none_of(ours.begin(), ours.end(), begins)) return "";
  if (std::any_of(room->ours.begin(), room->ours.end(), begins)) return "";
  return says(std::string(room->path) + " may not know that room");
}

// Why a source file must not have this name (a folder or a stem that says nothing); empty where it may.
inline std::string NameViolation(const std::string& file) {
  static const std::regex pattern(R"((^|.*[/_])(utils?|helpers?|commons?|misc|stuff)([/_.].*|$))");
  std::string lower = file;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::regex_match(lower, pattern) ? file + ": the name does not say what is in it" : "";
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_LAYERING_INCLUDE_RULES_H_

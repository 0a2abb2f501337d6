#include "engine/evaluation/reproducing_command.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "engine/evaluation/report_fields.h"
#include "engine/formats/options_json.h"
#include "kprune/options.h"

namespace kprune {
namespace {

using nlohmann::json;

constexpr char kAutoPrefix[] = "auto_";

const json& Defaults() {
  static const json* const defaults = new json(ToJson(Options()));
  return *defaults;
}

// The unit of an option is part of its name, and of the flag's value.
std::string FlagOf(std::string name) {
  for (const absl::string_view unit : {"_bytes", "_ms"}) {
    if (absl::EndsWith(name, unit)) name.resize(name.size() - unit.size());
  }
  return absl::StrCat("--", absl::StrReplaceAll(name, {{"_", "-"}}));
}

std::string WordOf(const json& value) {
  return ShellWord(value.is_string() ? value.get<std::string>() : value.dump());
}

// "20ms", also where JSON says 20.0.
std::string MillisecondsWord(const json& value) {
  return absl::StrCat(value.is_number() ? value.get<double>() : 0, "ms");
}

std::string ListWord(const json& values) {
  std::vector<std::string> texts;
  for (const json& value : values)
    texts.push_back(value.is_string() ? value.get<std::string>() : value.dump());
  return ShellWord(absl::StrJoin(texts, ","));
}

json Sorted(json value) {
  if (value.is_array()) std::sort(value.begin(), value.end());
  return value;
}

// `--flag value`; "" for a switch that is off by default, and for what another option stands for.
std::string FlagWithValue(const json& options, const std::string& name, const json& value) {
  const size_t prefix = sizeof(kAutoPrefix) - 1;
  if (name.compare(0, prefix, kAutoPrefix) == 0) return absl::StrCat(FlagOf(name.substr(prefix)), " auto");
  const auto is_auto = options.find(kAutoPrefix + name);
  if (is_auto != options.end() && *is_auto == true) return "";
  if (name == "latency_table") return absl::StrCat(FlagOf(name), " TABLE");
  if (value.is_boolean()) return FlagOf(value.get<bool>() ? name : "no_" + name);
  if (absl::EndsWith(name, "_ms")) return absl::StrCat(FlagOf(name), " ", MillisecondsWord(value));
  return absl::StrCat(FlagOf(name), " ", value.is_array() ? ListWord(value) : WordOf(value));
}

}  // namespace

std::string ShellWord(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return std::string(text);
  return absl::StrCat("'", absl::StrReplaceAll(std::string(text), {{"'", "'\\''"}}), "'");
}

std::vector<std::string> InputNames(const json& report, std::string_view folder) {
  const std::string prefix = absl::StrCat(std::string(folder), "/");
  std::vector<std::string> names;
  const json& inputs = FieldAt(report, "/inputs");
  if (!inputs.is_object()) return names;
  for (const auto& input : inputs.items()) {
    if (input.key().compare(0, prefix.size(), prefix) == 0)
      names.push_back(input.key().substr(prefix.size()));
  }
  return names;
}

bool IsDefaultOption(const json& report, const std::string& name) {
  const json& options = FieldAt(report, "/options");
  const json value = options.is_object() ? options.value(name, json()) : json();
  // What mu is without the option depends on the scoring.
  if (name == "mu") {
    Options usual;
    usual.scoring = TextIn(options, "/scoring");
    return value == usual.effective_mu();
  }
  return Sorted(value) == Sorted(Defaults().value(name, json()));
}

std::string ReproducingCommand(const json& report) {
  std::vector<std::string> parts = {"kprune run MODEL"};
  for (const char* folder : {"data", "eval"}) {
    for (const std::string& name : InputNames(report, folder)) {
      // A name that begins with a dash would be taken for a flag.
      const std::string path = name[0] == '-' ? "./" + name : name;
      parts.push_back(absl::StrCat("--", folder, " ", ShellWord(path)));
    }
  }
  const json& given = FieldAt(report, "/options");
  const json options = given.is_object() ? given : json::object();
  for (const auto& option : options.items()) {
    if (option.key() != "keep_flops" && IsDefaultOption(report, option.key())) continue;
    const std::string flag = FlagWithValue(options, option.key(), option.value());
    if (!flag.empty()) parts.push_back(flag);
  }
  parts.push_back("--output OUTPUT");
  return absl::StrJoin(parts, " \\\n  ");
}

}  // namespace kprune

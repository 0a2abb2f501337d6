// Tokenises lines as the engine does, without a model: for the parity run and the benchmark of tokenizers.
//
//   kprune-tokenize-lines FOLDER THREADS [rate]
//
// reads JSON lines {"text", "pair" or null, "max_length"} and writes for each {"ids", "types", "spans"}
// (spans only where there is neither pair nor limit), or, with "rate", one object {"lines", "tokens",
// "seconds"}: seconds of the fastest of three passes over all lines.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "engine/data/parallel_for.h"
#include "engine/formats/json.h"
#include "engine/tokenizers/tokenizer.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

struct Line {
  std::string text;
  std::optional<std::string> pair;
  int max_length = 0;
  Truncation truncation = Truncation::kLongestFirst;

  Encoding Encoded(const Tokenizer& tokenizer) const {
    std::optional<std::string_view> second;
    if (pair) second = *pair;
    return tokenizer.Encode(text, second, max_length, truncation);
  }
};

std::vector<Line> ReadLines(std::istream& in) {
  std::vector<Line> lines;
  for (std::string text; std::getline(in, text);) {
    const Json json = Json::parse(text);
    Line line{json["text"], std::nullopt, json.value("max_length", 0),
              TruncationFromName(json.value("truncation", "longest_first"))};
    if (json.contains("pair") && json["pair"].is_string()) line.pair = json["pair"].get<std::string>();
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string Output(const Tokenizer& tokenizer, const Line& line) {
  const Encoding encoding = line.Encoded(tokenizer);
  Json json = {{"ids", encoding.input_ids}, {"types", encoding.token_type_ids}};
  if (!line.pair && line.max_length == 0) {
    Json& spans = json["spans"] = Json::array();
    const TextTokens tokens = tokenizer.EncodeText(line.text);
    for (const TextSpan& span : tokens.spans) spans.push_back({span.begin, span.end});
    json["text_ids"] = tokens.ids;
  }
  return json.dump();
}

void PrintAll(const Tokenizer& tokenizer, const std::vector<Line>& lines, int threads) {
  std::vector<std::string> outputs(lines.size());
  ParallelFor(static_cast<int64_t>(lines.size()), threads,
              [&](int64_t i) { outputs[i] = Output(tokenizer, lines[i]); });
  for (const std::string& output : outputs) std::cout << output << '\n';
}

void PrintRate(const Tokenizer& tokenizer, const std::vector<Line>& lines, int threads) {
  double fastest = 0;
  std::vector<Encoding> encodings(lines.size());
  for (int pass = 0; pass < 3; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    ParallelFor(static_cast<int64_t>(lines.size()), threads,
                [&](int64_t i) { encodings[i] = lines[i].Encoded(tokenizer); });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    fastest = pass == 0 ? seconds : std::min(fastest, seconds);
  }
  size_t tokens = 0;
  for (const Encoding& encoding : encodings) tokens += encoding.input_ids.size();
  std::cout << Json{{"lines", lines.size()}, {"tokens", tokens}, {"seconds", fastest}} << '\n';
}

int Main(int argc, char** argv) {
  int threads = 0;
  if (argc < 3 || !absl::SimpleAtoi(argv[2], &threads)) {
    std::cerr << "usage: kprune-tokenize-lines FOLDER THREADS [rate] < LINES\n";
    return 2;
  }
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(argv[1]);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << '\n';
    return 1;
  }
  const std::vector<Line> lines = ReadLines(std::cin);
  if (argc > 3 && std::string_view(argv[3]) == "rate") {
    PrintRate(**tokenizer, lines, threads);
  } else {
    PrintAll(**tokenizer, lines, threads);
  }
  return 0;
}

}  // namespace
}  // namespace kprune

int main(int argc, char** argv) { return kprune::Main(argc, argv); }

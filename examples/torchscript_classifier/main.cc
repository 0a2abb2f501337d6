// Runs the TorchScript model of a kprune result. Needs nothing but LibTorch: see README.md beside this file.
#include <torch/script.h>

#include <algorithm>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr char kHelp[] =
    "usage: torchscript_classifier RESULT [FILE]\n"
    "\n"
    "Loads RESULT/model.torchscript.pt (or RESULT itself, where it is that file), reads token ids from FILE "
    "(default:\n"
    "standard input), one text a line such as\n"
    "  101 7592 102\n"
    "and prints the logits of every text on a line. `kprune tokenize RESULT --data texts.jsonl` prints token "
    "ids as\n"
    "JSON; `jq -r '.input_ids | @tsv'` makes such lines of them.\n"
    "\n"
    "Exit status: 0 done, 1 failed, 3 the command line is wrong.\n";

// Texts that run together, in the order of their lines.
constexpr size_t kBatchSize = 32;

using TokenIds = std::vector<int64_t>;

TokenIds ParseLine(const std::string& line, size_t number) {
  std::istringstream words(line);
  TokenIds ids;
  for (int64_t id; words >> id;) ids.push_back(id);
  if (ids.empty() || !words.eof())
    throw std::runtime_error("line " + std::to_string(number) +
                             " is no list of token ids such as: 101 7592 102");
  return ids;
}

std::vector<TokenIds> ReadTexts(std::istream& in) {
  std::vector<TokenIds> texts;
  for (std::string line; std::getline(in, line);) texts.push_back(ParseLine(line, texts.size() + 1));
  return texts;
}

torch::jit::Module Load(std::string path) {
  if (!std::ifstream(path + "/model.torchscript.pt").fail()) path += "/model.torchscript.pt";
  if (std::ifstream(path).fail()) throw std::runtime_error("there is no " + path);
  torch::jit::Module model = torch::jit::load(path, at::kCPU);
  model.eval();
  return model;
}

// Logits of texts[first] to texts[last - 1], padded to the longest of them; what is padded is masked out.
at::Tensor Classify(torch::jit::Module& model, const std::vector<TokenIds>& texts, size_t first,
                    size_t last) {
  size_t longest = 0;
  for (size_t i = first; i < last; ++i) longest = std::max(longest, texts[i].size());
  const std::vector<int64_t> shape = {static_cast<int64_t>(last - first), static_cast<int64_t>(longest)};
  at::Tensor ids = at::zeros(shape, at::kLong), mask = at::zeros(shape, at::kLong);
  auto id = ids.accessor<int64_t, 2>(), kept = mask.accessor<int64_t, 2>();
  for (size_t i = first; i < last; ++i) {
    for (size_t t = 0; t < texts[i].size(); ++t) {
      id[i - first][t] = texts[i][t];
      kept[i - first][t] = 1;
    }
  }
  std::vector<c10::IValue> inputs = {ids, mask};
  // BERT also takes which of two texts a token is of: all are of the first here. DistilBERT does not.
  if (model.get_method("forward").function().getSchema().arguments().size() > 3)
    inputs.emplace_back(at::zeros(shape, at::kLong));
  const c10::IValue output = model.forward(inputs);
  if (!output.isTensor()) throw std::runtime_error("the model gives no logits: it is no classifier");
  return output.toTensor().to(at::kFloat).contiguous();
}

void Print(const at::Tensor& logits) {
  const auto rows = logits.accessor<float, 2>();
  for (int64_t i = 0; i < rows.size(0); ++i) {
    for (int64_t c = 0; c < rows.size(1); ++c) std::cout << (c > 0 ? " " : "") << rows[i][c];
    std::cout << "\n";
  }
}

void Run(const std::string& result, const std::string& file) {
  std::vector<TokenIds> texts;
  if (file.empty()) {
    texts = ReadTexts(std::cin);
  } else {
    std::ifstream in(file);
    if (!in) throw std::runtime_error("cannot read " + file);
    texts = ReadTexts(in);
  }
  torch::jit::Module model = Load(result);
  const c10::InferenceMode no_gradients;
  std::cout << std::setprecision(std::numeric_limits<float>::max_digits10);
  for (size_t first = 0; first < texts.size(); first += kBatchSize)
    Print(Classify(model, texts, first, std::min(first + kBatchSize, texts.size())));
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments == std::vector<std::string>{"--help"}) {
    std::cout << kHelp;
    return 0;
  }
  if (arguments.empty() || arguments.size() > 2) {
    std::cerr << kHelp;
    return 3;
  }
  try {
    Run(arguments[0], arguments.size() > 1 ? arguments[1] : "");
    return 0;
  } catch (const c10::Error& error) {
    std::cerr << "torchscript_classifier: " << error.what_without_backtrace() << "\n";
  } catch (const std::exception& error) {
    std::cerr << "torchscript_classifier: " << error.what() << "\n";
  }
  return 1;
}

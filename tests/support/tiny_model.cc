#include "tests/support/tiny_model.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace kprune::testing {
namespace {

using Json = nlohmann::ordered_json;

// splitmix64: small, and the same on every standard library (std::normal_distribution is not).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}

  uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  int Below(int bound) { return static_cast<int>(Next() % static_cast<uint64_t>(bound)); }

  // Mean 0, variance 1: the sum of twelve uniform numbers, without a library function that may round
  // differently.
  float Normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(Next() >> 11) * 0x1p-53;
    return static_cast<float>(sum);
  }

 private:
  uint64_t state_;
};

struct Tensor {
  std::string name;
  std::vector<int> shape;
  std::vector<float> values;
};

// Collects the tensors of a checkpoint, every one from the same stream of random numbers.
class Checkpoint {
 public:
  explicit Checkpoint(uint32_t seed) : random_(seed) {}

  void Embedding(const std::string& name, int rows, int columns) { Add(name, {rows, columns}, 0.5f, 0); }

  void Linear(const std::string& name, int out, int in) {
    Add(name + ".weight", {out, in}, 1 / std::sqrt(static_cast<float>(in)), 0);
    Add(name + ".bias", {out}, 0.1f, 0);
  }

  void Vector(const std::string& name, int size) { Add(name, {size}, 0.1f, 0); }

  void Norm(const std::string& name, int size) {
    Add(name + ".weight", {size}, 0.1f, 1);
    Add(name + ".bias", {size}, 0.1f, 0);
  }

  std::vector<Tensor>& tensors() { return tensors_; }

 private:
  void Add(const std::string& name, std::vector<int> shape, float deviation, float mean) {
    size_t count = 1;
    for (int size : shape) count *= static_cast<size_t>(size);
    std::vector<float> values(count);
    for (float& value : values) value = mean + deviation * random_.Normal();
    tensors_.push_back({name, std::move(shape), std::move(values)});
  }

  Random random_;
  std::vector<Tensor> tensors_;
};

bool Classifies(const TinyModel& m) { return m.task == "text-classification"; }
bool HasHead(const TinyModel& m) { return m.task != "feature-extraction"; }

bool SaysOfTokens(const TinyModel& m) {
  return m.task == "token-classification" || m.task == "question-answering" || m.task == "fill-mask";
}

// What transformers calls the model's class, behind the family.
std::string ClassOf(const TinyModel& m) {
  if (m.task == "text-classification") return "ForSequenceClassification";
  if (m.task == "token-classification") return "ForTokenClassification";
  if (m.task == "question-answering") return "ForQuestionAnswering";
  if (m.task == "fill-mask") return "ForMaskedLM";
  return m.task == "multiple-choice" ? "ForMultipleChoice" : "Model";
}

// The heads that all families call alike.
void AddTokenHead(const TinyModel& m, Checkpoint& checkpoint) {
  if (m.task == "token-classification") checkpoint.Linear("classifier", m.labels, m.hidden);
  if (m.task == "question-answering") checkpoint.Linear("qa_outputs", 2, m.hidden);
}

void AddBert(const TinyModel& m, int vocabulary, Checkpoint& checkpoint) {
  const std::string root = HasHead(m) ? "bert." : "";
  checkpoint.Embedding(root + "embeddings.word_embeddings.weight", vocabulary, m.hidden);
  checkpoint.Embedding(root + "embeddings.position_embeddings.weight", m.positions, m.hidden);
  checkpoint.Embedding(root + "embeddings.token_type_embeddings.weight", 2, m.hidden);
  checkpoint.Norm(root + "embeddings.LayerNorm", m.hidden);
  for (int layer = 0; layer < m.layers; ++layer) {
    const std::string at = root + "encoder.layer." + std::to_string(layer) + ".";
    for (const char* part : {"query", "key", "value"}) {
      checkpoint.Linear(at + "attention.self." + part, m.hidden, m.hidden);
    }
    checkpoint.Linear(at + "attention.output.dense", m.hidden, m.hidden);
    checkpoint.Norm(at + "attention.output.LayerNorm", m.hidden);
    checkpoint.Linear(at + "intermediate.dense", m.neurons, m.hidden);
    checkpoint.Linear(at + "output.dense", m.hidden, m.neurons);
    checkpoint.Norm(at + "output.LayerNorm", m.hidden);
  }
  // Models that say something of tokens have none.
  if (!SaysOfTokens(m)) checkpoint.Linear(root + "pooler.dense", m.hidden, m.hidden);
  if (Classifies(m)) checkpoint.Linear("classifier", m.labels, m.hidden);
  if (m.task == "multiple-choice") checkpoint.Linear("classifier", 1, m.hidden);
  if (m.task == "fill-mask") {
    checkpoint.Linear("cls.predictions.transform.dense", m.hidden, m.hidden);
    checkpoint.Norm("cls.predictions.transform.LayerNorm", m.hidden);
    checkpoint.Vector("cls.predictions.bias", vocabulary);
  }
  AddTokenHead(m, checkpoint);
}

void AddDistilBert(const TinyModel& m, int vocabulary, Checkpoint& checkpoint) {
  const std::string root = HasHead(m) ? "distilbert." : "";
  checkpoint.Embedding(root + "embeddings.word_embeddings.weight", vocabulary, m.hidden);
  checkpoint.Embedding(root + "embeddings.position_embeddings.weight", m.positions, m.hidden);
  checkpoint.Norm(root + "embeddings.LayerNorm", m.hidden);
  for (int layer = 0; layer < m.layers; ++layer) {
    const std::string at = root + "transformer.layer." + std::to_string(layer) + ".";
    for (const char* part : {"q_lin", "k_lin", "v_lin", "out_lin"}) {
      checkpoint.Linear(at + "attention." + part, m.hidden, m.hidden);
    }
    checkpoint.Norm(at + "sa_layer_norm", m.hidden);
    checkpoint.Linear(at + "ffn.lin1", m.neurons, m.hidden);
    checkpoint.Linear(at + "ffn.lin2", m.hidden, m.neurons);
    checkpoint.Norm(at + "output_layer_norm", m.hidden);
  }
  AddTokenHead(m, checkpoint);
  if (m.task == "fill-mask") {
    checkpoint.Linear("vocab_transform", m.hidden, m.hidden);
    checkpoint.Norm("vocab_layer_norm", m.hidden);
    checkpoint.Vector("vocab_projector.bias", vocabulary);
  }
  if (!Classifies(m) && m.task != "multiple-choice") return;
  checkpoint.Linear("pre_classifier", m.hidden, m.hidden);
  checkpoint.Linear("classifier", Classifies(m) ? m.labels : 1, m.hidden);
}

void WriteText(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + path.string());
}

struct Entry {
  std::string name, dtype;
  std::vector<int> shape;
  std::string bytes;
};

// The format: 8 bytes of header length (little endian), a JSON header padded with spaces to 8 bytes, then the
// values.
void WriteSafetensors(const std::filesystem::path& path, const std::vector<Entry>& entries) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string values;
  for (const Entry& entry : entries) {
    const size_t begin = values.size(), end = begin + entry.bytes.size();
    header[entry.name] = {{"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", {begin, end}}};
    values += entry.bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  WriteText(path, bytes + text + values);
}

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// O, B-A, I-A, B-B, I-B ...
std::string Tag(int label) {
  if (label == 0) return "O";
  return std::string(label % 2 == 1 ? "B-" : "I-") + static_cast<char>('A' + (label - 1) / 2);
}

Json BertConfig(const TinyModel& m, int vocabulary) {
  return {{"architectures", {"Bert" + ClassOf(m)}},
          {"model_type", m.family},
          {"hidden_act", "gelu"},
          {"hidden_size", m.hidden},
          {"intermediate_size", m.neurons},
          {"layer_norm_eps", 1e-12},
          {"max_position_embeddings", m.positions},
          {"num_attention_heads", m.heads},
          {"num_hidden_layers", m.layers},
          {"pad_token_id", 0},
          {"position_embedding_type", "absolute"},
          {"type_vocab_size", 2},
          {"vocab_size", vocabulary}};
}

Json DistilBertConfig(const TinyModel& m, int vocabulary) {
  return {{"architectures", {"DistilBert" + ClassOf(m)}},
          {"model_type", m.family},
          {"activation", "gelu"},
          {"dim", m.hidden},
          {"hidden_dim", m.neurons},
          {"max_position_embeddings", m.positions},
          {"n_heads", m.heads},
          {"n_layers", m.layers},
          {"pad_token_id", 0},
          {"sinusoidal_pos_embds", false},
          {"vocab_size", vocabulary}};
}

Json Config(const TinyModel& m, int vocabulary) {
  Json config = m.family == "distilbert" ? DistilBertConfig(m, vocabulary) : BertConfig(m, vocabulary);
  if (!Classifies(m) && m.task != "token-classification") return config;
  if (Classifies(m)) config["problem_type"] = m.problem_type;
  for (int label = 0; label < m.labels; ++label) {
    const std::string name = Classifies(m) ? "LABEL_" + std::to_string(label) : Tag(label);
    config["id2label"][std::to_string(label)] = name;
    config["label2id"][name] = label;
  }
  return config;
}

void WriteSentenceEncoder(const std::filesystem::path& folder, int hidden) {
  const std::string package = "sentence_transformers.models.";
  Json modules = Json::array();
  modules.push_back({{"idx", 0}, {"name", "0"}, {"path", ""}, {"type", package + "Transformer"}});
  modules.push_back({{"idx", 1}, {"name", "1"}, {"path", "1_Pooling"}, {"type", package + "Pooling"}});
  modules.push_back({{"idx", 2}, {"name", "2"}, {"path", "2_Normalize"}, {"type", package + "Normalize"}});
  WriteText(folder / "modules.json", modules.dump(2));
  std::filesystem::create_directories(folder / "1_Pooling");
  const Json pooling = {{"word_embedding_dimension", hidden},
                        {"pooling_mode_cls_token", false},
                        {"pooling_mode_mean_tokens", true},
                        {"pooling_mode_max_tokens", false},
                        {"pooling_mode_mean_sqrt_len_tokens", false}};
  WriteText(folder / "1_Pooling" / "config.json", pooling.dump(2));
}

// The words that sentences are made of; each is one token.
const std::vector<std::string>& Words() {
  static const std::vector<std::string> words = {
      "the",    "a",      "of",    "and",    "to",     "in",     "river", "stone",  "garden", "light",
      "quiet",  "loud",   "red",   "green",  "open",   "close",  "bird",  "engine", "paper",  "letter",
      "window", "street", "rain",  "summer", "cold",   "warm",   "old",   "young",  "buy",    "sell",
      "walk",   "run",    "read",  "write",  "never",  "often",  "good",  "bad",    "better", "worse",
      "first",  "last",   "north", "south",  "doctor", "farmer", "music", "silence"};
  return words;
}

Json Label(const TinyModel& m, int word_sum) {
  if (m.problem_type == "regression") return (word_sum % 97) / 97.0;
  if (m.problem_type != "multi_label_classification") return word_sum % m.labels;
  Json label = Json::array();
  for (int i = 0; i < m.labels; ++i) label.push_back((word_sum >> i) & 1);
  return label;
}

// A line of such words, by their numbers.
Json LineOf(const TinyModel& m, const std::vector<int>& words) {
  std::string sentence;
  Json tokens = Json::array(), tags = Json::array();
  int word_sum = 0;
  for (const int word : words) {
    const std::string& name = Words()[static_cast<size_t>(word)];
    word_sum += word;
    sentence += (sentence.empty() ? "" : " ") + name;
    tokens.push_back(name);
    tags.push_back(Tag(word % m.labels));
  }
  if (m.task == "token-classification") return {{"tokens", tokens}, {"tags", tags}};
  if (m.task == "question-answering") {
    const std::string answer = tokens[words.size() / 2];
    return {{"question", "who " + answer + "?"},
            {"context", sentence + "."},
            {"answers", {{"text", {answer}}, {"answer_start", {sentence.find(answer)}}}}};
  }
  if (m.task == "multiple-choice")
    return {{"text", sentence},
            {"choices", {tokens[0], "never " + sentence, tokens[1]}},
            {"label", word_sum % 3}};
  Json object = {{"text", sentence + "."}};
  if (Classifies(m)) object["label"] = Label(m, word_sum);
  return object;
}

}  // namespace

std::vector<std::string> TinyVocabulary() {
  std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "!", "?", "'"};
  for (char digit = '0'; digit <= '9'; ++digit) tokens.emplace_back(1, digit);
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    if (letter != 'a') tokens.emplace_back(1, letter);  // "a" is one of the words
  }
  tokens.insert(tokens.end(), Words().begin(), Words().end());
  for (const char* piece : {"##s", "##ed", "##ing", "##er", "##ly"}) tokens.emplace_back(piece);
  return tokens;
}

void WriteTinyModel(const std::filesystem::path& folder, const TinyModel& model) {
  std::filesystem::create_directories(folder);
  const std::vector<std::string> vocabulary = TinyVocabulary();
  const int size = static_cast<int>(vocabulary.size());
  std::string lines;
  for (const std::string& token : vocabulary) lines += token + "\n";
  WriteText(folder / "vocab.txt", lines);
  const bool distilbert = model.family == "distilbert";
  WriteText(folder / "tokenizer_config.json",
            Json{{"do_lower_case", true},
                 {"model_max_length", model.positions},
                 {"tokenizer_class", distilbert ? "DistilBertTokenizer" : "BertTokenizer"}}
                .dump(2));
  WriteText(folder / "config.json", Config(model, size).dump(2));
  if (model.sentence_encoder) WriteSentenceEncoder(folder, model.hidden);

  Checkpoint checkpoint(model.seed);
  distilbert ? AddDistilBert(model, size, checkpoint) : AddBert(model, size, checkpoint);
  std::vector<Tensor>& tensors = checkpoint.tensors();
  for (Tensor& tensor : tensors) {
    if (tensor.name == model.poisoned_tensor) tensor.values[0] = std::numeric_limits<float>::quiet_NaN();
  }
  std::erase_if(tensors, [&](const Tensor& tensor) { return tensor.name == model.missing_tensor; });
  std::vector<Entry> entries;
  for (const Tensor& tensor : tensors)
    entries.push_back({tensor.name, "F32", tensor.shape, Bytes(tensor.values)});
  WriteSafetensors(folder / "model.safetensors", entries);
}

void WriteTinySentences(const std::filesystem::path& file, int lines, const TinyModel& model) {
  Random random(model.seed + 1);
  std::string text;
  for (int line = 0; line < lines; ++line) {
    const int words = 3 + random.Below(10);
    std::vector<int> chosen;
    for (int i = 0; i < words; ++i) chosen.push_back(random.Below(static_cast<int>(Words().size())));
    text += LineOf(model, chosen).dump() + "\n";
  }
  WriteText(file, text);
}

void WriteTokenIds(const std::filesystem::path& file, const std::vector<std::vector<int32_t>>& rows) {
  std::vector<int32_t> ids;
  for (const std::vector<int32_t>& row : rows) ids.insert(ids.end(), row.begin(), row.end());
  const std::vector<int> shape = {static_cast<int>(rows.size()), static_cast<int>(rows.at(0).size())};
  WriteSafetensors(file, {{"input_ids", "I32", shape, Bytes(ids)}});
}

}  // namespace kprune::testing

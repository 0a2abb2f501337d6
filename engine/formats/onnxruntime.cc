#include "engine/formats/onnxruntime.h"

#include <dlfcn.h>

#include <array>
#include <cstring>
#include <functional>
#include <mutex>
#include <numeric>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

// The library's own objects, which only it looks into.
struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtMemoryInfo;
struct OrtValue;
struct OrtTensorTypeAndShapeInfo;

// Places of functions in the table of version 1.
enum Slot : size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSession = 7,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetIntraOpNumThreads = 24,
  kCreateTensorWithData = 49,
  kGetTensorMutableData = 51,
  kGetTensorShapeElementCount = 64,
  kGetTensorTypeAndShape = 65,
  kCreateCpuMemoryInfo = 69,
  kReleaseEnv = 92,
  kReleaseStatus = 93,
  kReleaseMemoryInfo = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseTensorTypeAndShapeInfo = 99,
  kReleaseSessionOptions = 100,
  kSlots = 102,
};
using Table = std::array<void*, kSlots>;

struct OrtApiBase {
  const Table* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

constexpr int kLogErrors = 3;
constexpr int kFloat32 = 1, kInt64 = 7;  // element types
constexpr int kArenaAllocator = 1, kDefaultMemory = 0;

// Calls the functions of the table by their types.
class Api {
 public:
  explicit Api(const Table& table) : table_(table) {}

  // A function that returns a status.
  template <typename... Arguments>
  absl::Status Call(Slot slot, Arguments... arguments) const {
    OrtStatus* const status = At<OrtStatus*(Arguments...)>(slot)(arguments...);
    if (status == nullptr) return absl::OkStatus();
    const std::string message = At<const char*(const OrtStatus*)>(kGetErrorMessage)(status);
    Release(kReleaseStatus, status);
    return absl::InternalError(absl::StrCat("ONNX Runtime: ", message));
  }

  template <typename Object>
  void Release(Slot slot, Object* object) const {
    if (object != nullptr) At<void(Object*)>(slot)(object);
  }

 private:
  template <typename Function>
  Function* At(Slot slot) const {
    return reinterpret_cast<Function*>(table_[slot]);
  }

  const Table& table_;
};

// Owns one of the library's objects.
template <typename Object, Slot kRelease>
class Owned {
 public:
  explicit Owned(const Api& api) : api_(api) {}
  ~Owned() { api_.Release(kRelease, object_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  Object* get() const { return object_; }
  Object** put() { return &object_; }

 private:
  const Api& api_;
  Object* object_ = nullptr;
};

class LoadedSession final : public OnnxRuntime::Session {
 public:
  explicit LoadedSession(const Api& api) : api_(api), session_(api) {}

  OrtSession** put() { return session_.put(); }

  absl::StatusOr<std::vector<std::vector<float>>> Run(
      const std::map<std::string, OnnxRuntime::Values>& inputs, absl::Span<const int64_t> shape,
      absl::Span<const std::string> outputs) const override {
    Owned<OrtMemoryInfo, kReleaseMemoryInfo> memory(api_);
    absl::Status status = api_.Call(kCreateCpuMemoryInfo, kArenaAllocator, kDefaultMemory, memory.put());
    const int64_t count = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
    std::vector<std::unique_ptr<Owned<OrtValue, kReleaseValue>>> owners;
    std::vector<const char*> names;
    std::vector<const OrtValue*> values;
    for (const auto& [name, data] : inputs) {
      if (!status.ok()) return status;
      const auto [values_of, size, bytes, type] = std::visit(
          [](const auto& span) {
            using Element = std::remove_cv_t<typename std::decay_t<decltype(span)>::element_type>;
            return std::tuple(static_cast<const void*>(span.data()), span.size(),
                              span.size() * sizeof(Element),
                              std::is_same_v<Element, float> ? kFloat32 : kInt64);
          },
          data);
      if (static_cast<int64_t>(size) != count)
        return absl::InternalError(
            absl::StrCat("input ", name, " does not have as many values as its shape"));
      auto& value = *owners.emplace_back(std::make_unique<Owned<OrtValue, kReleaseValue>>(api_));
      // It does not write to inputs.
      status = api_.Call(kCreateTensorWithData, static_cast<const OrtMemoryInfo*>(memory.get()),
                         const_cast<void*>(values_of), bytes, shape.data(), shape.size(), type, value.put());
      names.push_back(name.c_str());
      values.push_back(value.get());
    }
    if (!status.ok()) return status;
    std::vector<const char*> wanted;
    for (const std::string& output : outputs) wanted.push_back(output.c_str());
    std::vector<OrtValue*> results(outputs.size());
    status = api_.Call(kRun, session_.get(), static_cast<const void*>(nullptr), names.data(), values.data(),
                       values.size(), wanted.data(), wanted.size(), results.data());
    std::vector<std::vector<float>> floats;
    for (OrtValue* const result : results) {
      Owned<OrtValue, kReleaseValue> owned(api_);
      *owned.put() = result;
      if (!status.ok()) continue;
      absl::StatusOr<std::vector<float>> values_of = Floats(result);
      status = values_of.status();
      if (status.ok()) floats.push_back(*std::move(values_of));
    }
    if (!status.ok()) return status;
    return floats;
  }

 private:
  absl::StatusOr<std::vector<float>> Floats(OrtValue* value) const {
    Owned<OrtTensorTypeAndShapeInfo, kReleaseTensorTypeAndShapeInfo> shape(api_);
    size_t count = 0;
    void* data = nullptr;
    absl::Status status = api_.Call(kGetTensorTypeAndShape, static_cast<const OrtValue*>(value), shape.put());
    if (status.ok()) {
      status = api_.Call(kGetTensorShapeElementCount,
                         static_cast<const OrtTensorTypeAndShapeInfo*>(shape.get()), &count);
    }
    if (status.ok()) status = api_.Call(kGetTensorMutableData, value, &data);
    if (!status.ok()) return status;
    const auto* const floats = static_cast<const float*>(data);
    return std::vector<float>(floats, floats + count);
  }

  const Api& api_;
  Owned<OrtSession, kReleaseSession> session_;
};

class LoadedOnnxRuntime final : public OnnxRuntime {
 public:
  LoadedOnnxRuntime(const Table& table, std::string version)
      : api_(table), version_(std::move(version)), env_(api_) {}

  absl::Status CreateEnv() { return api_.Call(kCreateEnv, kLogErrors, "kprune", env_.put()); }

  std::string version() const override { return version_; }

  absl::StatusOr<std::unique_ptr<Session>> Open(const std::filesystem::path& model,
                                                int threads) const override {
    Owned<OrtSessionOptions, kReleaseSessionOptions> options(api_);
    absl::Status status = api_.Call(kCreateSessionOptions, options.put());
    if (status.ok()) status = api_.Call(kSetIntraOpNumThreads, options.get(), threads);
    if (!status.ok()) return status;
    auto session = std::make_unique<LoadedSession>(api_);
    status = api_.Call(kCreateSession, static_cast<const OrtEnv*>(env_.get()), model.c_str(),
                       static_cast<const OrtSessionOptions*>(options.get()), session->put());
    if (!status.ok()) return status;
    return session;
  }

 private:
  const Api api_;
  const std::string version_;
  Owned<OrtEnv, kReleaseEnv> env_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OnnxRuntime>> OnnxRuntime::Load(const std::string& library) {
  void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return absl::NotFoundError(absl::StrCat("cannot load ONNX Runtime: ", dlerror()));
  void* const entry = dlsym(handle, "OrtGetApiBase");
  if (entry == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(library, " is no ONNX Runtime: it has no function OrtGetApiBase"));
  }
  const OrtApiBase* const base = reinterpret_cast<const OrtApiBase* (*)()>(entry)();
  const Table* const table = base->GetApi(1);
  if (table == nullptr)
    return absl::NotFoundError(absl::StrCat(library, " does not offer version 1 of ONNX Runtime's API"));
  auto runtime = std::make_unique<LoadedOnnxRuntime>(*table, base->GetVersionString());
  if (absl::Status status = runtime->CreateEnv(); !status.ok()) return status;
  return runtime;
}

}  // namespace kprune

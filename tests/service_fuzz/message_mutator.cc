#include "tests/service_fuzz/message_mutator.h"

#include <google/protobuf/message.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "tests/service_fuzz/fuzzed_calls.h"

namespace kprune {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxTextBytes = 4096;

class Mutator {
 public:
  Mutator(unsigned seed, MutateBytes mutate) : random_(seed), mutate_(mutate) {}

  size_t Below(size_t end) { return random_() % end; }

  void Change(Message& message) {
    const auto* const type = message.GetDescriptor();
    if (type->field_count() == 0) return;
    const FieldDescriptor* const field =
        type->field(static_cast<int>(Below(static_cast<size_t>(type->field_count()))));
    field->is_repeated() ? ChangeList(message, field) : ChangeField(message, field);
  }

 private:
  template <typename T>
  T Changed(T value) {
    mutate_(reinterpret_cast<uint8_t*>(&value), sizeof(value), sizeof(value));
    return value;
  }

  // Texts stay UTF-8, or the whole message would be none.
  std::string Changed(std::string text, bool is_text) {
    const size_t size = text.size();
    text.resize(std::max(kMaxTextBytes, size));
    text.resize(mutate_(reinterpret_cast<uint8_t*>(text.data()), size, text.size()));
    if (is_text)
      std::transform(text.begin(), text.end(), text.begin(),
                     [](char c) { return static_cast<char>(c & 0x7f); });
    return text;
  }

  static bool IsText(const FieldDescriptor* field) { return field->type() == FieldDescriptor::TYPE_STRING; }

  void ChangeField(Message& message, const FieldDescriptor* field) {
    const Reflection& fields = *message.GetReflection();
    if (Below(8) == 0) return fields.ClearField(&message, field);
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return fields.SetInt32(&message, field, Changed(fields.GetInt32(message, field)));
      case FieldDescriptor::CPPTYPE_UINT32:
        return fields.SetUInt32(&message, field, Changed(fields.GetUInt32(message, field)));
      case FieldDescriptor::CPPTYPE_INT64:
        return fields.SetInt64(&message, field, Changed(fields.GetInt64(message, field)));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return fields.SetDouble(&message, field, Changed(fields.GetDouble(message, field)));
      case FieldDescriptor::CPPTYPE_BOOL:
        return fields.SetBool(&message, field, !fields.GetBool(message, field));
      case FieldDescriptor::CPPTYPE_ENUM:
        return fields.SetEnumValue(&message, field, Changed(fields.GetEnumValue(message, field)));
      case FieldDescriptor::CPPTYPE_STRING:
        return fields.SetString(&message, field, Changed(fields.GetString(message, field), IsText(field)));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Change(*fields.MutableMessage(&message, field));
      default:
        return;  // kprune.v1 has no others
    }
  }

  void ChangeList(Message& message, const FieldDescriptor* field) {
    const Reflection& fields = *message.GetReflection();
    const int size = fields.FieldSize(message, field);
    if (size == 0 || Below(4) == 0) return AddElement(message, field);
    const int index = static_cast<int>(Below(static_cast<size_t>(size)));
    if (Below(4) > 0) return ChangeElement(message, field, index);
    fields.SwapElements(&message, field, index, size - 1);
    fields.RemoveLast(&message, field);
  }

  void AddElement(Message& message, const FieldDescriptor* field) {
    const Reflection& fields = *message.GetReflection();
    const int size = fields.FieldSize(message, field);
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return fields.AddInt32(&message, field, Changed(int32_t{0}));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return fields.AddDouble(&message, field, Changed(0.5));
      case FieldDescriptor::CPPTYPE_ENUM:
        return fields.AddEnumValue(&message, field, Changed(1));
      case FieldDescriptor::CPPTYPE_STRING:
        return fields.AddString(&message, field, Changed(std::string(), IsText(field)));
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        Message& added = *fields.AddMessage(&message, field);
        if (size > 0) added.CopyFrom(fields.GetRepeatedMessage(message, field, 0));
        return Change(added);
      }
      default:
        return;
    }
  }

  void ChangeElement(Message& message, const FieldDescriptor* field, int index) {
    const Reflection& fields = *message.GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return fields.SetRepeatedInt32(&message, field, index,
                                       Changed(fields.GetRepeatedInt32(message, field, index)));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return fields.SetRepeatedDouble(&message, field, index,
                                        Changed(fields.GetRepeatedDouble(message, field, index)));
      case FieldDescriptor::CPPTYPE_ENUM:
        return fields.SetRepeatedEnumValue(&message, field, index,
                                           Changed(fields.GetRepeatedEnumValue(message, field, index)));
      case FieldDescriptor::CPPTYPE_STRING:
        return fields.SetRepeatedString(
            &message, field, index, Changed(fields.GetRepeatedString(message, field, index), IsText(field)));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Change(*fields.MutableRepeatedMessage(&message, field, index));
      default:
        return;
    }
  }

  std::mt19937 random_;
  const MutateBytes mutate_;
};

}  // namespace

std::string MutateRequest(const google::protobuf::MethodDescriptor& method, const std::string& request,
                          unsigned seed, MutateBytes mutate) {
  Mutator mutator(seed, mutate);
  std::vector<std::string> messages =
      method.client_streaming() ? SplitMessages(request) : std::vector{request};
  if (messages.empty()) messages.emplace_back();
  const size_t at = mutator.Below(messages.size());
  const size_t step = method.client_streaming() ? mutator.Below(8) : 2;
  if (step == 0) {
    messages.erase(messages.begin() + static_cast<int64_t>(at));
  } else if (step == 1) {
    messages.insert(messages.begin() + static_cast<int64_t>(at), messages[mutator.Below(messages.size())]);
  } else {
    const std::unique_ptr<Message> message(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(method.input_type())->New());
    if (!message->ParseFromString(messages[at])) message->Clear();
    for (size_t changes = 1 + mutator.Below(3); changes > 0; --changes) mutator.Change(*message);
    messages[at] = message->SerializeAsString();
  }
  return method.client_streaming() ? JoinMessages(messages) : messages[0];
}

}  // namespace kprune

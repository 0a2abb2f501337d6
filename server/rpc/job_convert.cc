#include "server/rpc/job_convert.h"

#include <google/protobuf/util/json_util.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace kprune {
namespace {

using google::protobuf::RepeatedPtrField;

Manifest FilesFromProto(const RepeatedPtrField<v1::File>& files) {
  Manifest manifest;
  for (const v1::File& file : files) manifest.push_back({file.name(), file.sha256(), file.size()});
  return manifest;
}

void FilesToProto(const Manifest& manifest, RepeatedPtrField<v1::File>* files) {
  for (const FileEntry& entry : manifest) {
    v1::File* const file = files->Add();
    file->set_name(entry.name);
    file->set_sha256(entry.sha256);
    file->set_size(entry.size_bytes);
  }
}

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  // Fails only for messages with Any or out-of-range well-known types, and ours have neither.
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) json = "{}";
  return json;
}

bool FromJson(const std::string& json, google::protobuf::Message* message) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  return google::protobuf::util::JsonStringToMessage(json, message, options).ok();
}

void TimeToProto(absl::Time time, google::protobuf::Timestamp* timestamp) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

v1::JobState StateToProto(JobState state) {
  v1::JobState result = v1::JOB_STATE_UNSPECIFIED;
  v1::JobState_Parse(std::string(JobStateName(state)), &result);
  return result;
}

}  // namespace

JobInput FromProto(const v1::JobSpec& spec) {
  JobInput input;
  input.model = FilesFromProto(spec.model());
  input.model_uri = spec.model_uri();
  input.priority = spec.priority();
  input.data = FilesFromProto(spec.data());
  input.eval = FilesFromProto(spec.eval());
  input.options_json = ToJson(spec.options());
  if (spec.options().has_device()) input.device = spec.options().device();
  return input;
}

absl::StatusOr<std::vector<JobState>> FromProto(const google::protobuf::RepeatedField<int>& states) {
  std::vector<JobState> result;
  for (const int number : states) {
    bool found = false;
    for (const JobState state : kJobStates) {
      if (StateToProto(state) != number) continue;
      result.push_back(state);
      found = true;
    }
    if (!found) {
      return absl::InvalidArgumentError(
          absl::StrCat("states has ", number,
                       "; accepted are QUEUED, RUNNING, RETRY_WAIT, SUCCEEDED, FAILED and "
                       "CANCELLED."));
    }
  }
  return result;
}

v1::Job ToProto(const JobRecord& record) {
  v1::Job job;
  FilesToProto(record.input.model, job.mutable_spec()->mutable_model());
  job.mutable_spec()->set_model_uri(record.input.model_uri);
  job.mutable_spec()->set_priority(record.input.priority);
  FilesToProto(record.input.data, job.mutable_spec()->mutable_data());
  FilesToProto(record.input.eval, job.mutable_spec()->mutable_eval());
  FromJson(record.input.options_json, job.mutable_spec()->mutable_options());
  if (!record.preflight_json.empty()) FromJson(record.preflight_json, job.mutable_preflight());
  if (record.id.empty()) return job;

  job.set_name("jobs/" + record.id);
  job.set_tenant(record.tenant);
  job.set_state(StateToProto(record.state));
  job.set_attempt(record.attempt);
  job.set_progress(record.progress);
  job.set_ending_early(record.ending_early);
  TimeToProto(record.create_time, job.mutable_create_time());
  if (record.start_time) TimeToProto(*record.start_time, job.mutable_start_time());
  if (record.end_time) TimeToProto(*record.end_time, job.mutable_end_time());
  if (!record.error.code.empty()) {
    job.mutable_error()->set_code(record.error.code);
    job.mutable_error()->set_message(record.error.message);
  }
  FilesToProto(record.result, job.mutable_result());
  return job;
}

v1::Event ToProto(const JobEvent& stored) {
  v1::Event event;
  if (!FromJson(stored.payload_json, &event)) {
    event.Clear();
    event.mutable_warning()->set_message("The server cannot read this stored event.");
  }
  event.set_sequence(stored.sequence);
  TimeToProto(stored.time, event.mutable_time());
  return event;
}

v1::QueueStats ToProto(const QueueStats& stats, absl::Time now) {
  v1::QueueStats proto;
  proto.set_queue_id(stats.queue_id);
  for (const JobState state : kJobStates) {
    v1::QueueStats::StateCount* const count = proto.add_states();
    count->set_state(StateToProto(state));
    count->set_jobs(stats.jobs[static_cast<size_t>(state)]);
  }
  proto.set_backlog(stats.backlog());
  TimeToProto(now, proto.mutable_time());
  const auto& [high, normal, low] = stats.oldest_queued;
  if (high) TimeToProto(*high, proto.mutable_oldest_high());
  if (normal) TimeToProto(*normal, proto.mutable_oldest_normal());
  if (low) TimeToProto(*low, proto.mutable_oldest_low());
  return proto;
}

}  // namespace kprune

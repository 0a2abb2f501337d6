// Between kprune.v1's messages and the plain values of include/kprune/job.h. Pure functions.
#ifndef KPRUNE_SERVER_RPC_JOB_CONVERT_H_
#define KPRUNE_SERVER_RPC_JOB_CONVERT_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kprune/job.h"
#include "kprune/job_store.h"
#include "kprune/v1/job.pb.h"
#include "kprune/v1/job_service.pb.h"

namespace kprune {

JobInput FromProto(const v1::JobSpec& spec);

// INVALID_ARGUMENT where a state is none of a job's.
absl::StatusOr<std::vector<JobState>> FromProto(const google::protobuf::RepeatedField<int>& states);

// An empty id gives no name, state or create_time: the answer to validate_only.
v1::Job ToProto(const JobRecord& job);

// A payload that does not parse becomes a warning event, so that the sequence has no hole.
v1::Event ToProto(const JobEvent& event);

// `now`: when the stats were read.
v1::QueueStats ToProto(const QueueStats& stats, absl::Time now);

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_JOB_CONVERT_H_

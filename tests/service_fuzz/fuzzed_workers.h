// Takes any bytes as what a worker sends or leaves behind: a hostile model may have taken it over.
#ifndef KPRUNE_TESTS_SERVICE_FUZZ_FUZZED_WORKERS_H_
#define KPRUNE_TESTS_SERVICE_FUZZ_FUZZED_WORKERS_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace kprune {

// `name` is "progress" for what it writes to its pipe, "error.json", "preflight.json" or "worker.log" for
// such a file, or "result" for the names of files, a line each, that it leaves in result/. Aborts where what
// clients, metrics and the queue would be told is not what the headers promise: events that can be read,
// numbers within bounds, errors with a code and a sentence, and files of the allow-list alone.
void TakeFromWorker(const std::string& name, const uint8_t* bytes, size_t size);

}  // namespace kprune

#endif  // KPRUNE_TESTS_SERVICE_FUZZ_FUZZED_WORKERS_H_

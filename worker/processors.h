// What this machine gives the worker: threads, how they wait, and memory.
#ifndef KPRUNE_WORKER_PROCESSORS_H_
#define KPRUNE_WORKER_PROCESSORS_H_

#include <cstdint>

namespace kprune {

// Processors that this process may use: its affinity, and no more than its control group's CPU quota (a
// container's limit) rounded up. At least 1.
int AvailableProcessors();

// Bytes that this process may still fill: what the machine has available, and no more than what its control
// group's limit leaves; 0 where it cannot be told.
int64_t AvailableMemory();

// GNU OpenMP's threads wait for each other by spinning. On a machine that other programs use too, a thread
// then burns its time slice while the one it waits for is not running: a pass takes five times as long. The
// setting is read before main() runs, so this sets GOMP_SPINCOUNT for the program that is started next,
// unless the user chose GOMP_SPINCOUNT or OMP_WAIT_POLICY, and returns whether it did.
bool SetSpinCount();

// Starts this program again, with `argv`. Returns only where it cannot be started.
void StartAgain(char* const* argv);

// Both: call first in main. Returns when there is nothing to do or the program cannot be started again.
void LimitSpinning(char** argv);

// Keeps memory that was freed for what is asked for next, instead of giving it back to the machine and
// faulting it in again for every batch. malloc_trim gives it back: the engine calls it after every sublayer.
// Call at the beginning of main.
void KeepFreedMemory();

// Lets tensors of 2 MiB and more use large pages where the machine offers them: on a virtual machine, where
// looking up a page costs most, pruning takes an eighth less time. LibTorch reads this when it first
// allocates; a user's own THP_MEM_ALLOC_ENABLE stays. Call at the beginning of main.
void UseLargePages();

}  // namespace kprune

#endif  // KPRUNE_WORKER_PROCESSORS_H_

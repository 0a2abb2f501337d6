// LibTorch's elementwise functions on a processor: exp, sqrt, tanh ...
#ifndef KPRUNE_ENGINE_MODEL_VECTOR_FUNCTIONS_H_
#define KPRUNE_ENGINE_MODEL_VECTOR_FUNCTIONS_H_

namespace kprune {

// To be called before the first of them: from then on, the same input gives the same bits in every run.
// oneMKL, of which LibTorch takes them, chooses a function's implementation in its first call; where two
// threads call it first at the same time, one of them may get a less exact one for that call (oneMKL 2024,
// see https://github.com/pytorch/pytorch/issues/188792). Thread-safe; costs microseconds, once.
void SettleVectorFunctions();

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_VECTOR_FUNCTIONS_H_

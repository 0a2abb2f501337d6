// The device that the engine's tests compute on: the CPU, or what KPRUNE_TEST_DEVICE names ("cuda:0"). The
// same tests run on both; a CUDA device that is asked for but cannot be used fails them.
#ifndef KPRUNE_TESTS_ENGINE_MODEL_COMPUTE_DEVICE_H_
#define KPRUNE_TESTS_ENGINE_MODEL_COMPUTE_DEVICE_H_

#include <ATen/Context.h>
#include <c10/core/Device.h>
#include <dlfcn.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace kprune::testing {

inline at::Device ComputeDevice() {
  static const at::Device device = [] {
    const char* const name = std::getenv("KPRUNE_TEST_DEVICE");
    if (name == nullptr || std::string(name) == "cpu") return at::Device(at::kCPU);
    // Its library registers itself before the first question for CUDA.
    if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr || !at::globalContext().hasCUDA())
      throw std::runtime_error(std::string("KPRUNE_TEST_DEVICE is ") + name +
                               ", but CUDA cannot be used here");
    return at::Device(name);
  }();
  return device;
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_ENGINE_MODEL_COMPUTE_DEVICE_H_

# Finds LibTorch and defines LibTorch::LibTorch (CPU libraries only; the worker opens libtorch_cuda.so at run
# time where it is needed, so one binary serves both kinds of machine).
#
# Looked up in this order:
#   LibTorch_ROOT       a libtorch folder or a Python package folder .../torch (cmake variable or environment)
#   ${KPRUNE_DEPS}/site/torch   what scripts/setup.sh unpacked
#   python3's torch     if `python3 -c "import torch"` would find one
#
# TorchConfig.cmake is not used: the CUDA build's one wants a CUDA toolkit, and this target does not.
set(_candidates "${LibTorch_ROOT}" "$ENV{LibTorch_ROOT}" "${KPRUNE_DEPS}/site/torch")
find_program(_python3 python3)
if(_python3)
  execute_process(
    COMMAND "${_python3}" -c
      "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
    OUTPUT_VARIABLE _python_torch OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  list(APPEND _candidates "${_python_torch}")
endif()
foreach(_candidate IN LISTS _candidates)
  if(_candidate AND EXISTS "${_candidate}/lib/libtorch_cpu.so" AND EXISTS "${_candidate}/include/ATen/ATen.h")
    set(LIBTORCH_DIR "${_candidate}")
    break()
  endif()
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LIBTORCH_DIR
  REASON_FAILURE_MESSAGE "Run scripts/setup.sh, or pass -DLibTorch_ROOT=/path/to/libtorch.")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  message(STATUS "LibTorch: ${LIBTORCH_DIR}")
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  # -idirafter: the folder also carries old protobuf headers, which must not hide the system's.
  target_compile_options(LibTorch::LibTorch INTERFACE
    "SHELL:-idirafter ${LIBTORCH_DIR}/include"
    "SHELL:-idirafter ${LIBTORCH_DIR}/include/torch/csrc/api/include")
  # at::parallel_for is inline: code that is compiled without OpenMP runs it on one thread, silently. The
  # run-time is LibTorch's own copy, so that a process has one pool of threads.
  target_compile_options(LibTorch::LibTorch INTERFACE -fopenmp)
  file(GLOB _libgomp "${LIBTORCH_DIR}/lib/libgomp*.so*" "${LIBTORCH_DIR}/../torch.libs/libgomp*.so*")
  target_link_libraries(LibTorch::LibTorch INTERFACE
    "${LIBTORCH_DIR}/lib/libtorch_cpu.so" "${LIBTORCH_DIR}/lib/libc10.so" "${_libgomp}")
  if(NOT _libgomp)
    target_link_options(LibTorch::LibTorch INTERFACE -fopenmp)
  endif()
  target_link_options(LibTorch::LibTorch INTERFACE
    -Wl,--unresolved-symbols=ignore-in-shared-libs "-Wl,-rpath,${LIBTORCH_DIR}/lib")
endif()

# Our own code compiles without a warning; libraries are included as system headers.
add_library(kprune_warnings INTERFACE)
target_compile_options(kprune_warnings INTERFACE -Wall -Wextra -Wno-unused-parameter -Werror=return-type)
option(KPRUNE_WERROR "Treat warnings as errors" OFF)
if(KPRUNE_WERROR)
  target_compile_options(kprune_warnings INTERFACE -Werror)
endif()

# Our own code compiles without a warning; libraries are included as system headers.
add_library(kprune_warnings INTERFACE)
target_compile_options(kprune_warnings INTERFACE -Wall -Wextra -Wno-unused-parameter
  -Wno-missing-field-initializers  # designated initialisers leave defaults out on purpose
  -Werror=return-type)
option(KPRUNE_WERROR "Treat warnings as errors" OFF)
if(KPRUNE_WERROR)
  target_compile_options(kprune_warnings INTERFACE -Werror)
endif()

if(KPRUNE_SANITIZE)
  add_compile_options(-fsanitize=${KPRUNE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${KPRUNE_SANITIZE})
endif()

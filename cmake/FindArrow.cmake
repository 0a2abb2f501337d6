# Finds libarrow and libparquet of PyPI's pyarrow, with their headers, and defines Arrow::Parquet. Nothing but the reader of
# .parquet needs them, and a build without them says so where it meets such a file.
#
# Looked up in Arrow_ROOT (cmake variable or environment), then in ${KPRUNE_DEPS}/arrow, which scripts/setup.sh fills.
foreach(_candidate IN ITEMS "${Arrow_ROOT}" "$ENV{Arrow_ROOT}" "${KPRUNE_DEPS}/arrow")
  if(_candidate AND EXISTS "${_candidate}/include/parquet/arrow/reader.h")
    file(GLOB _libarrow "${_candidate}/libarrow.so.*")
    file(GLOB _libparquet "${_candidate}/libparquet.so.*")
    if(_libarrow AND _libparquet)
      list(GET _libarrow 0 ARROW_LIBRARY)
      list(GET _libparquet 0 PARQUET_LIBRARY)
      set(ARROW_INCLUDE_DIR "${_candidate}/include")
      break()
    endif()
  endif()
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Arrow REQUIRED_VARS PARQUET_LIBRARY ARROW_LIBRARY ARROW_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "Parquet will not be read: run scripts/setup.sh, or pass -DArrow_ROOT=/path/to/pyarrow.")

if(Arrow_FOUND AND NOT TARGET Arrow::Parquet)
  add_library(Arrow::Parquet INTERFACE IMPORTED)
  target_include_directories(Arrow::Parquet SYSTEM INTERFACE "${ARROW_INCLUDE_DIR}")
  get_filename_component(_arrow_dir "${ARROW_LIBRARY}" DIRECTORY)
  target_link_libraries(Arrow::Parquet INTERFACE "${PARQUET_LIBRARY}" "${ARROW_LIBRARY}")
  target_link_options(Arrow::Parquet INTERFACE "-Wl,-rpath,${_arrow_dir}")
endif()

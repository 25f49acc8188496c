# Schemas of aligned PER become tables, and headers that name what is in them (cmake/per_schema.py).
find_package(Python3 REQUIRED COMPONENTS Interpreter)

# sallyport_per_schema(VARIABLE NAMESPACE a::b::c INCLUDE folder FILES x.schema ...): generates schema.cc
# and x.schema.h in the current binary folder, and sets VARIABLE to them. Headers are included as
# "folder/x.schema.h", and x's types are in a::b::x.
function(sallyport_per_schema variable)
  cmake_parse_arguments(arg "" "NAMESPACE;INCLUDE" "FILES" ${ARGN})
  list(TRANSFORM arg_FILES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
  list(TRANSFORM arg_FILES PREPEND ${CMAKE_CURRENT_BINARY_DIR}/ OUTPUT_VARIABLE outputs)
  list(TRANSFORM outputs APPEND .h)
  list(APPEND outputs ${CMAKE_CURRENT_BINARY_DIR}/schema.cc)
  set(script ${PROJECT_SOURCE_DIR}/cmake/per_schema.py)
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND ${Python3_EXECUTABLE} ${script} --cpp ${CMAKE_CURRENT_BINARY_DIR} ${arg_NAMESPACE}
            ${arg_INCLUDE} ${files}
    DEPENDS ${files} ${script}
    VERBATIM)
  set(${variable} ${outputs} PARENT_SCOPE)
endfunction()

# How every folder of src/ becomes one library, and how its tests are found beside it.

# Flags that every target of ours is compiled with.
add_library(sallyport_options INTERFACE)
target_include_directories(sallyport_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(sallyport_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Werror
  # What a designated initializer leaves out has its default on purpose.
  -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports mismatches that are not there in allocators it has inlined.
  target_compile_options(sallyport_options INTERFACE -Wno-mismatched-new-delete)
  # Nor, with optimization, can it tell which alternative of a std::variant is alive; the sanitizer
  # builds and clang's analyzer look for values that are really not set.
  target_compile_options(sallyport_options INTERFACE -Wno-maybe-uninitialized)
endif()
target_compile_definitions(sallyport_options INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  SALLYPORT_VERSION="${PROJECT_VERSION}")
if(SALLYPORT_SANITIZE)
  add_compile_options(-fsanitize=${SALLYPORT_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SALLYPORT_SANITIZE})
  add_compile_definitions(BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
  if(SALLYPORT_SANITIZE MATCHES undefined)
    # This check opens a pipe to look at an object, and finds faults where a test has used up all
    # descriptors. AddressSanitizer sees objects that are not there.
    add_compile_options(-fno-sanitize=vptr)
  endif()
  if(SALLYPORT_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio puts fences beside the mutex that orders its handlers; TSan sees the mutex only.
    add_compile_options(-Wno-tsan)
  endif()
endif()
if(SALLYPORT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=function)
  add_link_options(-fsanitize=address,undefined)
endif()
if(SALLYPORT_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()

# sallyport_library(NAME SOURCES a.cc ... LINK base ... [SYSTEM_LINK OpenSSL::SSL ...]
#                   [TESTS a_test.cc ...] [TEST_LINK ...])
# LINK names other folders of src/; the list states which way the arrows point.
function(sallyport_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;SYSTEM_LINK;TESTS;TEST_LINK" ${ARGN})
  add_library(sallyport_${name} STATIC ${arg_SOURCES})
  add_library(sallyport::${name} ALIAS sallyport_${name})
  target_link_libraries(sallyport_${name} PUBLIC sallyport_options)
  foreach(other IN LISTS arg_LINK)
    target_link_libraries(sallyport_${name} PUBLIC sallyport::${other})
  endforeach()
  target_link_libraries(sallyport_${name} PUBLIC ${arg_SYSTEM_LINK})
  if(SALLYPORT_TESTS AND arg_TESTS)
    sallyport_test(${name}_test SOURCES ${arg_TESTS} LINK ${name} ${arg_TEST_LINK})
  endif()
endfunction()

# sallyport_test(NAME SOURCES ... LINK ...): one GoogleTest binary whose tests ctest knows singly.
function(sallyport_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;SYSTEM_LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE sallyport_options GTest::gtest GTest::gmock_main
                        ${arg_SYSTEM_LINK})
  # What is compiled more often than it runs need not run fast: this halves the time it takes. With
  # -O1, g++ 12 takes an empty std::optional for one that nobody initialized.
  target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
  foreach(other IN LISTS arg_LINK)
    target_link_libraries(${name} PRIVATE sallyport::${other})
  endforeach()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 120)
endfunction()

# sallyport_fuzzer(NAME SOURCES fuzz_x.cc LINK ... [VECTORS dir ...]): a libFuzzer target `fuzz_NAME` in the fuzz
# preset; in every other build the same source replays its corpus as a test, so it cannot rot.
# The corpus lies in tests/fuzz/corpus/NAME/; VECTORS are further folders of inputs.
function(sallyport_fuzzer name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;VECTORS" ${ARGN})
  set(sources ${arg_SOURCES})
  if(NOT SALLYPORT_FUZZ)
    list(APPEND sources ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  endif()
  add_executable(fuzz_${name} ${sources})
  target_link_libraries(fuzz_${name} PRIVATE sallyport_options)
  foreach(other IN LISTS arg_LINK)
    target_link_libraries(fuzz_${name} PRIVATE sallyport::${other})
  endforeach()
  if(SALLYPORT_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_test(NAME fuzz_corpus.${name}
             COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}
                     ${arg_VECTORS})
    set_tests_properties(fuzz_corpus.${name} PROPERTIES TIMEOUT 120)
  endif()
endfunction()

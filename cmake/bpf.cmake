# Programs for the kernel (eBPF), compiled with clang into a skeleton: a header that holds the
# program's code and the functions that load it. Wants clang, bpftool and libbpf; where one of them
# is missing SALLYPORT_BPF is false, and what would use such a program is built without it.

find_program(BPF_CLANG NAMES clang clang-14 clang-16 clang-19)
find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin)
pkg_check_modules(bpf IMPORTED_TARGET libbpf>=1.0)
option(SALLYPORT_EBPF "Build what runs inside the kernel, if its tools are there" ON)
set(SALLYPORT_BPF FALSE)
if(SALLYPORT_EBPF AND BPF_CLANG AND BPFTOOL AND bpf_FOUND)
  set(SALLYPORT_BPF TRUE)
endif()

# sallyport_bpf(TARGET NAME): NAME.bpf.c of this folder becomes NAME.skel.h, which TARGET includes.
function(sallyport_bpf target name)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
  get_filename_component(stem ${name} NAME)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/bpf_${stem})
  set(object ${folder}/${stem}.bpf.o)
  set(skeleton ${folder}/${stem}.skel.h)
  file(MAKE_DIRECTORY ${folder})
  # Debian keeps the architecture's part of the kernel's headers (asm/) below its triplet.
  add_custom_command(OUTPUT ${skeleton}
    COMMAND ${BPF_CLANG} -target bpf -mcpu=v2 -O2 -g -Wall -Wextra -Werror
            -I${PROJECT_SOURCE_DIR}/src -I${CMAKE_CURRENT_SOURCE_DIR}
            -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MF ${object}.d -MT ${skeleton} -c ${source} -o ${object}
    COMMAND ${CMAKE_COMMAND} -E echo "// NOLINTBEGIN" > ${skeleton}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${stem} >> ${skeleton}
    COMMAND ${CMAKE_COMMAND} -E echo "// NOLINTEND" >> ${skeleton}
    DEPENDS ${source} DEPFILE ${object}.d
    COMMENT "Building eBPF skeleton ${stem}" VERBATIM)
  target_sources(${target} PRIVATE ${skeleton})
  target_include_directories(${target} SYSTEM PRIVATE ${folder})
  target_link_libraries(${target} PRIVATE PkgConfig::bpf)
endfunction()

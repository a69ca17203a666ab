# What `find_package(lowbit)` gives: the target lowbit::formats, one static library of the rooms up to arith with the
# headers of include/lowbit (install component `formats`). And the examples, which see nothing else.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(LOWBIT_PACKAGE_ROOMS base simd formats arith)

function(lowbit_add_package)
  set(objects "")
  foreach(room IN LISTS LOWBIT_PACKAGE_ROOMS)
    if(TARGET lowbit_${room})  # rooms of headers alone have none
      # Hashing files (base/file.cc) would need OpenSSL.
      list(APPEND objects "$<FILTER:$<TARGET_OBJECTS:lowbit_${room}>,EXCLUDE,/base/file\\.cc>")
    endif()
  endforeach()
  add_library(lowbit_public STATIC ${objects})
  add_library(lowbit::formats ALIAS lowbit_public)
  set_target_properties(lowbit_public PROPERTIES OUTPUT_NAME lowbit-formats EXPORT_NAME formats LINKER_LANGUAGE CXX)
  target_compile_features(lowbit_public PUBLIC cxx_std_20)
  target_include_directories(lowbit_public PUBLIC $<BUILD_INTERFACE:${lowbit_SOURCE_DIR}/include>
                                                  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(lowbit_public PRIVATE fmt::fmt Threads::Threads)

  set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/lowbit)
  install(TARGETS lowbit_public EXPORT lowbit ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT formats)
  install(DIRECTORY include/lowbit DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT formats FILES_MATCHING PATTERN "*.h")
  install(EXPORT lowbit NAMESPACE lowbit:: DESTINATION ${folder} FILE lowbit-targets.cmake COMPONENT formats)
  file(WRITE ${CMAKE_BINARY_DIR}/lowbit-config.cmake "include(CMakeFindDependencyMacro)
find_dependency(fmt)
find_dependency(Threads)
include(\${CMAKE_CURRENT_LIST_DIR}/lowbit-targets.cmake)
")
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/lowbit-config-version.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/lowbit-config.cmake ${CMAKE_BINARY_DIR}/lowbit-config-version.cmake
          DESTINATION ${folder} COMPONENT formats)
  # A program outside, built by both compilers against an installed copy; instrumented libraries are no package, and
  # compilers of this machine do not take libraries of another target.
  if(LOWBIT_TESTS AND NOT LOWBIT_SANITIZE AND NOT CMAKE_CROSSCOMPILING)
    add_test(NAME house.find_package COMMAND ${lowbit_SOURCE_DIR}/tests/find_package/run ${CMAKE_BINARY_DIR})
  endif()
endfunction()

# examples/<name>.cc: one program each, example_<name>; examples/*_test.cc run them and judge what they print.
function(lowbit_add_examples)
  file(GLOB sources CONFIGURE_DEPENDS ${lowbit_SOURCE_DIR}/examples/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  set(programs "")
  foreach(source IN LISTS sources)
    get_filename_component(name ${source} NAME_WE)
    add_executable(example_${name} ${source})
    target_link_libraries(example_${name} PRIVATE lowbit::formats)
    set_target_properties(example_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples)
    list(APPEND programs example_${name})
  endforeach()
  if(LOWBIT_TESTS AND tests)
    add_executable(examples_test ${tests})
    add_dependencies(examples_test ${programs})
    target_compile_definitions(examples_test PRIVATE LOWBIT_EXAMPLES="${CMAKE_BINARY_DIR}/examples")
    target_link_libraries(examples_test PRIVATE GTest::gtest_main)
    gtest_discover_tests(examples_test TEST_PREFIX examples. WORKING_DIRECTORY ${lowbit_SOURCE_DIR} DISCOVERY_TIMEOUT 60)
  endif()
endfunction()

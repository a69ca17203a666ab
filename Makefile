# The front door. Everything here is a few commands that also stand alone: CMake presets, Ninja, CTest, tools/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60

# $(call build,preset[,ninja targets]): configure and build.
build = cmake --preset $(1) >/dev/null && ninja -C build/$(1) -j $(JOBS) $(2)
# $(call run_tests,preset): all tests; their count is the closing line. No test at all is a failure.
run_tests = ctest --test-dir build/$(1) --output-on-failure --no-tests=error -j $(JOBS)

PYTHON_ENV := build/python-env

.PHONY: conformance python help bootstrap build demo test test-exhaustive sanitize gcc aarch64 fuzz check format install clean

help:  ## this list
	@echo "make TARGET, on Debian 12; what is missing is installed first (tools/packages.txt)"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' Makefile

bootstrap:  ## install the packages this machine lacks
	@tools/bootstrap

build: bootstrap  ## the program: build/release/lowbit
	@echo "== build (release)"
	@$(call build,release,lowbit)

demo: build  ## the main job on a small model: quantize, measure, report, generate (out/demo)
	@tools/demo build/release/lowbit

test: bootstrap  ## build everything and run all tests
	@echo "== build (release)"
	@$(call build,release)
	@echo "== tests"
	@$(call run_tests,release)

test-exhaustive: bootstrap  ## all tests with every input tried (LOWBIT_EXHAUSTIVE=1); long
	@$(call build,release)
	@LOWBIT_EXHAUSTIVE=1 $(call run_tests,release)

sanitize: bootstrap  ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(call build,sanitize)
	@UBSAN_OPTIONS=print_stacktrace=1 $(call run_tests,sanitize)

gcc: bootstrap  ## all tests, built by GCC
	@$(call build,gcc)
	@$(call run_tests,gcc)

aarch64: bootstrap  ## the program for AArch64; tests of formats, tensor and kernels under qemu
	@tools/sysroot_aarch64
	@$(call build,aarch64,lowbit formats_test tensor_test kernels_test)
	@$(call run_tests,aarch64) -R '^(formats|tensor|kernels)[.]'

fuzz: bootstrap  ## every libFuzzer target for FUZZ_SECONDS (60) each
	@$(call build,fuzz,fuzzers)
	@tools/fuzz build/fuzz/fuzz_programs $(FUZZ_SECONDS)

python: bootstrap  ## the Python package, in a virtual environment, and its tests (needs PyPI)
	@test -x $(PYTHON_ENV)/bin/pip || python3 -m venv $(PYTHON_ENV)
	@echo "== build (python)"
	@$(PYTHON_ENV)/bin/pip install -q --upgrade "./python[test]" -Cbuild-dir=$(CURDIR)/build/python -Ccmake.define.CMAKE_CXX_COMPILER=clang++-19
	@$(PYTHON_ENV)/bin/pip install -q softposit || echo "SoftPosit could not be installed: its tests are skipped"
	@echo "== tests (python)"
	@$(PYTHON_ENV)/bin/python -m pytest -q -rs python/tests

conformance: python  ## docs/conformance.md: edges where libraries disagree
	@$(PYTHON_ENV)/bin/python -W ignore tools/conformance.py > docs/conformance.md.new
	@mv docs/conformance.md.new docs/conformance.md

check: bootstrap  ## layout of the code, layers, sizes, type ladders, words (tools/check)
	@tools/check

format: bootstrap  ## clang-format in place
	@git ls-files -z -- '*.h' '*.cc' | xargs -0 -r clang-format-19 -i

install: build  ## program, licence and texts under PREFIX (/usr/local)
	@cmake --install build/release --prefix $(PREFIX)

clean:  ## remove build/ and out/
	rm -rf build out

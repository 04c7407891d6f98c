# Everything runs in .venv, which is made on first use and again when a requirements file changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Compiling all modules that are installed would take half a minute; a first import compiles those in use.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
export PYTHONDONTWRITEBYTECODE :=
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist worksteal

.PHONY: help install demo test test-all lint clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

install: $(INSTALLED)  ## create .venv and install what the project needs

$(INSTALLED): requirements.txt requirements-dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a few minutes the first time)"
	$(PIP) -r requirements-dev.txt
	$(PIP) --no-deps -e .
	$(BIN)/python -c "import lednet_mm.register"
	@touch $@

demo: $(INSTALLED)  ## train, test, measure and report three networks on generated streets (minutes, any CPU)
	$(BIN)/python tools/demo.py

test: $(INSTALLED)  ## run the tests that take little time (4 to 5 minutes on two cores)
	$(TEST) -m 'not thorough and not slow'

test-all: $(INSTALLED)  ## run all tests, as CI does (10 to 25 minutes on two cores)
	$(TEST)

lint: $(INSTALLED)  ## check style, types, spelling and the directions of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/python -m pytest -q --noconftest --durations-min=60 tests/test_imports.py

clean:  ## remove .venv and caches (never data or runs)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache *.egg-info

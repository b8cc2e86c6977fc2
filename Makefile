# Two commands do all the set-up: `make demo` and `make test`. The rest is for those who build howgreen.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint format tutorials docs bench models test-slow test-live test-train wheel clean

demo: $(VENV)/.run
	$(BIN)/howgreen city Sampleton

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

# What takes minutes: every form of one image.
test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

# Asks the real services, once each; needs the internet.
test-live: $(VENV)/.dev
	$(BIN)/python -m pytest -m live --force-enable-socket

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Pages that people write; the others are written by `howgreen benchmark`.
WRITTEN = $(filter-out docs/benchmark.md docs/contest.md,$(wildcard docs/*.md docs/commands/*.md))
format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python docs/_ext/modules.py
	$(BIN)/python docs/_ext/wrap.py README.md CHANGELOG.md CONTRIBUTING.md $(WRITTEN)

# Pending deprecations are those of libraries among themselves; every other warning is an error.
tutorials: $(VENV)/.dev
	for page in docs/tutorials/*.py; do echo "$$page"; \
	    $(BIN)/python -W error -W ignore::PendingDeprecationWarning "$$page" || exit 1; done

# The site, into build/docs: the tutorials run while it is built, no network is used, and a warning is an error.
docs: $(VENV)/.docs
	rm -rf build/docs docs/examples docs/reference
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/docs
	$(BIN)/python docs/_ext/check_site.py build/docs
	@echo "the site: build/docs/index.html"

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

# Rebuild the shipped models and their cards from the reference spectra (see CONTRIBUTING.md); needs torch.
DATA ?= ../shared/data
models: $(VENV)/.train
	$(BIN)/python -m howgreen.training --data $(DATA)

test-train: $(VENV)/.train
	$(BIN)/python -m pytest -m train

# What a stranger gets: a source archive, the wheel made of it, and the README's commands run by the wheel in an environment with
# nothing else in it. NEWCOMER names another Python: `make wheel NEWCOMER=python3.13`.
NEWCOMER ?= $(PYTHON)
wheel: $(VENV)/.dev
	rm -rf dist build/newcomer
	$(BIN)/python -m build --outdir dist
	$(NEWCOMER) -m venv build/newcomer
	build/newcomer/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/*.whl
	build/newcomer/bin/howgreen models list
	HOWGREEN_PROGRAM=$(CURDIR)/build/newcomer/bin/howgreen $(BIN)/python -m pytest tests/docs/test_readme.py

clean:
	rm -rf $(VENV) dist build docs/examples docs/reference .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[dev]"
	touch $@ $(VENV)/.run

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[docs]"
	touch $@ $(VENV)/.run

$(VENV)/.train: pyproject.toml constraints.txt $(VENV)/.dev
	$(PIP) --editable ".[dev,train]"
	touch $@

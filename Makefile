# Both `make demo` and `make test` do their own set-up, may be run again at any time, and write
# nothing outside this folder. Variables and further targets: see CONTRIBUTING.md.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
TORCH_INDEX ?=
IMAGE ?=
OUT ?= demo

# Recipes read these from the environment, so that a path may hold spaces and quotes.
export PYTHON TORCH_INDEX IMAGE OUT

CACHE := $(CURDIR)/.cache
export TMPDIR := $(CACHE)/tmp
export XDG_CACHE_HOME := $(CACHE)/xdg-cache
export XDG_CONFIG_HOME := $(CACHE)/xdg-config
export XDG_DATA_HOME := $(CACHE)/xdg-data
export XDG_STATE_HOME := $(CACHE)/xdg-state
export XDG_RUNTIME_DIR := $(CACHE)/xdg-runtime
export MPLCONFIGDIR := $(CACHE)/matplotlib
export NUMBA_CACHE_DIR := $(CACHE)/numba
export IPYTHONDIR := $(CACHE)/ipython
# mkdocs-material asks in ten lines at every build whether we know of its successor.
export NO_MKDOCS_2_WARNING := 1
export PIP_NO_CACHE_DIR := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# A virtual environment stays what its folder says, whatever else the user's shell has set.
unexport PYTHONPATH PYTHONHOME
# Else each of the many processes that tests start would compile all of the package again.
unexport PYTHONDONTWRITEBYTECODE

VENV_PYTHON := .venv/bin/python
PIP_INSTALL = $(VENV_PYTHON) -m pip install --quiet --constraint .ci/constraints.txt \
	$${TORCH_INDEX:+--extra-index-url "$$TORCH_INDEX"}
BASH_CI := bash .ci
# Each process holds up to 1.5 GB. Tests of a file stay together, for what they share.
IN_PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: help demo test test-all test-qgis test-in-qgis qgis-zip check docs bench train-backbone screenshot clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/.base | .cache/tmp  ## segment IMAGE=path, or a made-up town, into OUT=demo
	@mkdir -p "$$OUT"
	@image="$$IMAGE"; \
	if [[ -z "$$image" ]]; then \
		image="$$OUT/scene.tif"; \
		.venv/bin/firstpass sample --out "$$image" --overwrite; \
	fi; \
	.venv/bin/firstpass segment "$$image" --out "$$OUT/labels.tif" --overlay --overwrite

test: check .cache/screen  ## set up, check, and run every test but the slow ones
	@$(BASH_CI)/with_screen.sh $(VENV_PYTHON) -m pytest $(IN_PARALLEL) -m "not slow"
	@$(BASH_CI)/sam_tests.sh

test-all: check .cache/screen  ## the same with the slow tests, and exports read by TorchGeo and datasets
	@$(BASH_CI)/with_screen.sh $(VENV_PYTHON) -m pytest $(IN_PARALLEL)
	@$(BASH_CI)/sam_tests.sh
	@$(BASH_CI)/reader_tests.sh

test-qgis: .venv/.dev .cache/screen  ## install QGIS if that is allowed, and test its plugin in it
	@$(VENV_PYTHON) -m pytest qgis_plugin/tests
	@$(BASH_CI)/system_packages.sh qgis
	@$(BASH_CI)/qgis_tests.sh

test-in-qgis: .venv/.dev .cache/screen
	@$(BASH_CI)/qgis_tests.sh

qgis-zip: .venv/.base | .cache/tmp  ## write the plugin of QGIS into dist, to be installed or uploaded
	@$(VENV_PYTHON) .ci/qgis_zip.py dist

check: .venv/.dev | .cache/tmp  ## style, types, import rules, size budgets, documentation
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo
	@$(VENV_PYTHON) .ci/size_budgets.py src
	@.venv/bin/mkdocs --quiet build --strict

docs: .venv/.dev | .cache/tmp  ## build the documentation into .cache/site
	@.venv/bin/mkdocs --quiet build --strict
	@echo "Open .cache/site/index.html"

bench: .venv/.dev | .cache/tmp  ## measure speed, memory and quality (more than an hour)
	@for name in feature_quality quality refinement speed image_sets networks; do $(VENV_PYTHON) "benchmarks/$$name.py"; done

train-backbone: .venv/.dev | .cache/tmp  ## learn the weights in the package again (a minute)
	@$(VENV_PYTHON) -m training

screenshot: .venv/.dev .cache/screen  ## take the pictures of the documentation again
	@$(BASH_CI)/with_screen.sh $(VENV_PYTHON) docs/screenshots.py
	@$(VENV_PYTHON) benchmarks/feature_pictures.py

clean:  ## remove what was installed and cached, but no result
	rm -rf .venv .cache dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.cache/tmp:
	@mkdir -p .cache/tmp && mkdir -p -m 700 .cache/xdg-runtime

# A stamp is newer than what it was made from, so a second run installs nothing.
.venv/.made: .ci/make_venv.sh | .cache/tmp
	@$(BASH_CI)/make_venv.sh
	@touch $@

.venv/.base: .venv/.made pyproject.toml .ci/constraints.txt
	@echo "Installing napari-firstpass into .venv (the first time takes minutes) …"
	@$(PIP_INSTALL) --editable .
	@touch $@

.venv/.dev: .venv/.base
	@echo "Installing napari, Qt and the development tools into .venv …"
	@$(PIP_INSTALL) --editable ".[all,openvino]" --group dev
	@touch $@

.cache/screen: .ci/system_packages.sh | .cache/tmp
	@$(BASH_CI)/system_packages.sh screen
	@touch $@

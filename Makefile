# smislib: `make` alone prints this list. Every target sets up its own environment (.venv) when it is missing.
PYTHON ?= .venv/bin/python
PRESET ?= demo
SEEDS ?= 1
SMIS = $(PYTHON) -m smislib

.DEFAULT_GOAL := help
.PHONY: help setup reproduce report test coverage browser notebooks smoke-notebooks lab app bench lint api clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## ?/  make \1\t/' | expand -t 24
	@echo
	@echo "  PRESET=smoke|demo|paper (now: $(PRESET))  SEEDS=n (now: $(SEEDS))  PAPER=smis|pix2pix|spade|oasis|s3gan (now: $(or $(PAPER),all))  PYTHON=path (now: $(PYTHON))"

setup: $(PYTHON) ## make .venv with exactly the packages of requirements.lock

.venv/bin/python: requirements.lock pyproject.toml
	@echo "Setting up .venv (a few minutes: torch is large) ..."
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version.split()[0])'
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check --requirement requirements.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --config-settings editable_mode=compat --editable .
	@touch $@

reproduce: $(PYTHON) ## train, measure, and regenerate every table, figure and notebook, and the report (resumes)
	$(SMIS) reproduce --preset $(PRESET) --seeds $(SEEDS) $(if $(PAPER),--paper $(PAPER)) $(if $(DATA_ROOT),--root $(DATA_ROOT))
	$(SMIS) report --preset $(PRESET)

report: $(PYTHON) ## tables, figures, claims and strips in one file, figures/report.html (and .pdf where a Chromium is)
	$(SMIS) report --preset $(PRESET)

test: $(PYTHON) ## lint, all tests, the interface in a browser, then every notebook at `smoke` against its stored outputs
	$(MAKE) --no-print-directory lint
	$(PYTHON) -m pytest -n 2 --ignore tests/browser tests
	$(MAKE) --no-print-directory browser
	$(PYTHON) -m smislib.checks

coverage: $(PYTHON) ## the share of smislib's lines that the tests run, file by file
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest -n 2 --ignore tests/browser tests
	$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report --sort=cover

# They measure how fast a picture follows a slider: alone, and one after the other. Screenshots: SMIS_ARTEFACTS=folder
browser: $(PYTHON) ## JupyterLab and Voila in headless Chromium (`apt install chromium`; skipped where there is none)
	$(PYTHON) -m pytest -rs tests/browser

notebooks: $(PYTHON) ## execute the notebooks at PRESET and keep their outputs in notebooks/*.ipynb
	$(SMIS) notebooks --preset $(PRESET) --store

smoke-notebooks: $(PYTHON) ## store anew what `make test` compares the notebooks with
	$(PYTHON) -m smislib.checks --store

lab: $(PYTHON) ## open JupyterLab on the notebooks
	$(PYTHON) -m jupyterlab notebooks --ServerApp.tornado_settings="{'websocket_max_message_size': 268435456}"

app: $(PYTHON) ## explorer, mixer and painter as a page on 127.0.0.1
	$(SMIS) app $(if $(PORT),--port $(PORT)) $(if $(MODEL),--model $(MODEL))

bench: $(PYTHON) ## how much faster the library is than the plain way, on this machine (a few minutes)
	$(SMIS) bench

lint: $(PYTHON) ## ruff, check and format, and the types of smislib
	$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m ty check

api: $(PYTHON) ## the public API as one page, docs/api.md, from the docstrings
	$(PYTHON) -m smislib.api

clean: ## remove runs, caches and the environment; figures and committed results stay
	rm -rf runs .venv *.egg-info

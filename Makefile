# Every target sets up what it needs; setting up again costs nothing when nothing changed.
.DEFAULT_GOAL := help
.PHONY: help setup servers demo dev examples test check bench journeys nightly lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv from the hash-locked requirements (PYTHON=... chooses the interpreter)
	@scripts/setup

servers: ## install the servers that the tests start: PostgreSQL, RabbitMQ, Redis, Prometheus, HAProxy, BIND, Chromium
	@scripts/servers

demo: setup ## take a live system from one version to the next, and a broken one back
	@.venv/bin/watership demo

APP ?= examples/hello.py:app

dev: setup ## run an app in one process on port 3000 (APP=FILE.py:NAME)
	@.venv/bin/watership dev --app $(APP)

examples: setup ## run the examples as tests: no network, no key
	.venv/bin/pytest -q tests/examples tests/agents/teams/test_examples.py

# Three files at a time, each third with servers of its own; the tests of a file share what they have started. Two
# cores are idle for a third of the time with two: tests wait for servers, and for what must take its time.
THREE = -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test: setup servers ## run the tests
	.venv/bin/pytest -q $(THREE)

check: setup ## format, lint, types, and the arrows of the house
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy $(wildcard src tests benchmarks examples)
	.venv/bin/lint-imports --no-logo

bench: servers ## measure, beside what others do (an environment of its own: .venv-bench)
	@scripts/setup .venv-bench requirements-bench.txt
	.venv-bench/bin/python -m benchmarks
	.venv-bench/bin/python -m benchmarks.peers

journeys: setup servers ## a release through real servers under load; the last line says what was lost, and how long it took
	.venv/bin/python -m tests.journeys.release

nightly: setup servers ## the large numbers: all tests, journeys, the campaigns gate, broken and engine (CAMPAIGN=engine: that alone; BOUND=1h)
ifndef CAMPAIGN
	WATERSHIP_NIGHTLY=1 .venv/bin/pytest -q
	.venv/bin/python -m tests.journeys.release
	.venv/bin/python -m tests.journeys.gate
	.venv/bin/python -m tests.journeys.broken
endif
	.venv/bin/python -m tests.journeys.$(or $(CAMPAIGN),engine) $(if $(BOUND),--bound $(BOUND))

lock: ## resolve the requirements again
	scripts/lock

clean: ## remove environments, caches and the state folder
	rm -rf .venv .venv-bench .watership .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

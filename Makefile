# Two commands are all a newcomer needs: make demo, make test. CI calls only these targets.
.PHONY: help setup demo test check lint types imports pages site docs bench faults up
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
TESTS ?= tests
WORKERS ?= 4
# Images of containers set it. Each of some thousand processes would compile our modules again.
unexport PYTHONDONTWRITEBYTECODE

help: ## say what can be typed here
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

setup: .venv/.ready ## make .venv with everything in it

.venv/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $$($(PYTHON) -V) found. Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 3; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local,dev,docs]'
	@touch $@

demo: setup ## strangle the chain live, end to end, and reconcile it (DEMO_ARGS="--help")
	$(BIN)/python -m legacy_app demo $(DEMO_ARGS)

test: setup ## all tests on the embedded default (KAFKA=apache: on Apache Kafka; TESTS=tests/unit: a part)
	@ended=5; part() { $(BIN)/pytest "$$@" $(TESTS) $(TEST_ARGS) && ended=0 || { of=$$?; [ $$of -eq 5 ] || exit $$of; }; }; \
	part --numprocesses $(WORKERS) --dist worksteal -m "not alone and not tour"; \
	part --numprocesses $(WORKERS) --dist worksteal -m tour; \
	part -m alone; \
	exit $$ended # 5: none of them is among these

check: lint types imports pages site ## lint, types, import contracts, docs (make -j2 check: two of them at a time)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

pages: setup
	$(BIN)/pytest -q tests/architecture

site: setup
	$(BIN)/mkdocs build --quiet

docs: setup ## make a site of docs/ in site/; a broken link or anchor fails
	$(BIN)/mkdocs build

bench: setup ## measure beside a peer, on Apache Kafka (BENCH=relay_drain, all by default)
	$(BIN)/python -m benchmarks $(BENCH)

faults: setup ## kill tests at named points, on Apache Kafka (FAULTS_ARGS="flips --seeds 3")
	$(BIN)/python -m tests.faults $(FAULTS_ARGS)

up: setup ## start the local stack and the sample, until Ctrl-C (UP_ARGS="--kafka apache")
	$(BIN)/strangler up --plan legacy_app/plan/plan.py $(UP_ARGS)

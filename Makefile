# `make run` and `make test` set everything up by themselves: Python 3.11+ and make are all they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
HOST ?= 127.0.0.1
PORT ?= 8050

# What was compiled is kept, also where the environment forbids it: tests start many processes, and each would compile all anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test long faults lint bench lock clean
.DELETE_ON_ERROR:

run: $(VENV)/.run
	@$(BIN)/python app.py --host $(HOST) --port $(PORT)

# The types are checked beside the tests, which leave a processor idle now and then.
test: $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python tests/browser_setup.py
	@$(BIN)/python tests/mariadb_setup.py
	@$(BIN)/python -m pytest -q -m alone $$(grep -l 'mark\.alone' tests/*.py)
	@$(BIN)/mypy >$(VENV)/mypy.log 2>&1 & types=$$!; \
	  $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone and not faults"; tests=$$?; \
	  wait $$types || { cat $(VENV)/mypy.log; exit 1; }; exit $$tests

# What is drawn at random, and the kills, again, ten times as many: before a release, and after work on what they guard.
long: $(VENV)/.test
	@SCORECARD_TEST_TIMES=10 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone and not faults" \
	  $$(grep -l 'tests\.amounts' tests/test_*.py)

# Clocks that are set, processes that are killed, servers that go and come: minutes of waiting, so before a release.
# Clocks are set for single processes only (Debian: apt-get install -y libfaketime).
faults: $(VENV)/.test
	@$(BIN)/python -m pytest -m faults

lint: $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.test
	@for each in $(filter-out benchmarks/serving.py,$(wildcard benchmarks/*.py)); do echo "== $$each"; $(BIN)/python $$each || exit 1; done

# The environment itself; a Python without venv (Debian's, say) is told the one command that mends it.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "scorecard: needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another one: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 && $(VENV)/bin/python -m pip --version >/dev/null 2>&1 \
	  || { rm -rf $(VENV); echo "scorecard: this Python has no venv. Mend it with: apt-get install -y python3-venv (as root), then repeat"; exit 1; }

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@echo "scorecard: installing the pinned dependencies into $(VENV) (once, about a minute)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.run
	@echo "scorecard: installing what the tests need (once)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/test.txt
	@touch $@

# Locks hold for every platform and name no index (`pip install uv` first).
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
lock:
	$(LOCK) --extra build pyproject.toml -o requirements/run.txt
	$(LOCK) --extra build --extra test -c requirements/run.txt pyproject.toml -o requirements/test.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache

# The verbs of the project. `make` alone lists them.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.10 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
EPISODES ?= 200
STEPS ?= 2000
EVAL_EPISODES ?= 100
export PYTHONUNBUFFERED := 1

.PHONY: help setup demo test test-all check bench bench-serving bench-square bench-datasets bench-rendering bench-worlds format build clean
help:
	@echo "make demo      collect, train and evaluate a policy on the point mass (some minutes, two CPU cores)"
	@echo "make test      the test suite (minutes, no network, no display)"
	@echo "make test-all  the same with the slow tests"
	@echo "make check     lint, types"
	@echo "make bench     speed against references, written to benchmarks/results/latest.json"
	@echo "make bench-square  speed beside robomimic's, written to benchmarks/results/square_speed.json (a quarter of an hour)"
	@echo "make bench-datasets  datasets beside robomimic's and LeRobot's, written to benchmarks/results/datasets.json (minutes, 20 GB of the disk)"
	@echo "make bench-rendering  pictures of robosuite beside robosuite's own, written to benchmarks/results/rendering.json (minutes)"
	@echo "make bench-worlds  steps of simulated worlds beside their bare engines, written to benchmarks/results/worlds_speed.json (minutes)"
	@echo "make bench-serving  a served policy beside the same one in the process, written to benchmarks/results/serving.json (minutes)"
	@echo "make format    format the code"
	@echo "make build     wheel and sdist, installed into an empty environment and tried"
	@echo "make setup     .venv with every extra that needs no hardware"

# The core, as a user gets it. Made anew when what it depends on changes.
$(VENV)/core: pyproject.toml constraints.txt
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "Installing Muse into $(VENV) (about a minute) ..."
	@$(PIP) -q -e .
	@touch $@

# robosuite apart: one of the packages that it wants is built by a C compiler, which not every machine has.
$(VENV)/dev: $(VENV)/core
	@$(PIP) -q -e '.[all,dev]'
	@$(PIP) -q -e '.[robosuite]' || echo "robosuite is not installed and its tests are left out: it needs gcc and Python's headers (apt-get install gcc python3-dev)"
	@touch $@

setup: $(VENV)/dev

demo: $(VENV)/core
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo.sh $(EPISODES) $(STEPS) $(EVAL_EPISODES)

test: $(VENV)/dev
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: $(VENV)/dev
	@$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(VENV)/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/dev
	@$(BIN)/python benchmarks/spine.py

bench-square: $(VENV)/dev
	@$(BIN)/python benchmarks/square_speed.py

bench-datasets: $(VENV)/dev
	@$(BIN)/python benchmarks/datasets_speed.py

bench-rendering: $(VENV)/dev
	@$(BIN)/python benchmarks/rendering.py

bench-worlds: $(VENV)/dev
	@$(BIN)/python benchmarks/worlds_speed.py

bench-serving: $(VENV)/dev
	@$(BIN)/python benchmarks/serving.py

format: $(VENV)/dev
	@$(BIN)/ruff check --fix -q .
	@$(BIN)/ruff format .

build: $(VENV)/dev
	@bash scripts/build.sh $(BIN)/python

clean:
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis

# `make demo` and `make test` set up everything they need in .venv; nothing else on the machine is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
# Two processes that share the cores must not spin while they wait for each other.
export OMP_WAIT_POLICY := passive

.PHONY: demo test lint clean

demo: $(VENV)/.ready
	$(BIN)/vgmae-bench run --method zero-motion --dataset synth --limit 12 --out $(DEMO)
	$(BIN)/vgmae-bench run --method lucas-kanade --dataset synth --limit 12 --out $(DEMO)
	$(BIN)/vgmae-bench run --method videogmae --dataset synth --limit 12 --out $(DEMO)
	@echo
	$(BIN)/vgmae-bench table --dataset synth --out $(DEMO)
	@echo "The runs lie in $(DEMO)/: predictions, per-clip metrics, and records of how they came about."

test: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

lint: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(DEMO)

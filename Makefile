# `make demo` and `make test` install everything into .venv and change nothing else on the machine.
# `make browser` is the exception: it installs Debian's Chromium.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
# The tests start several processes on the same cores. Waiting OpenMP threads must sleep, not spin.
export OMP_WAIT_POLICY := passive
# Without byte code, every process of the tests compiles the package again: a quarter of their time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo docs test check unit bench browser tfds peers lint clean

# Each run prints its own table. The demo shows one table at the end instead.
demo: $(VENV)/.ready
	$(BIN)/vgmae-bench run --method zero-motion  --dataset synth --dataset-set clips=6 --out $(DEMO) > /dev/null
	$(BIN)/vgmae-bench run --method lucas-kanade --dataset synth --dataset-set clips=6 --out $(DEMO) > /dev/null
	$(BIN)/vgmae-bench run --method gaussian-fit --dataset synth --dataset-set clips=6 --out $(DEMO) > /dev/null
	$(BIN)/vgmae-bench run --method videogmae    --dataset synth --dataset-set clips=6 --out $(DEMO) > /dev/null
	@echo
	@$(BIN)/vgmae-bench table --dataset synth --results $(DEMO)
	@echo "The runs are in $(DEMO)/: predictions, metrics of every clip and track, and records of settings, code and machine."

# mypy uses one core. It runs at the same time as the tests.
test: $(VENV)/.ready
	@$(MAKE) --no-print-directory --jobs=2 check unit

# One more than there are cores, because tests wait for processes that they start.
WORKERS = $$(( $$(getconf _NPROCESSORS_ONLN) + 1 ))

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/.ready
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

# The documentation as a site: docs/_build/index.html. Warnings are errors.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

$(VENV)/.docs: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

# Measures speed and memory on this machine. Takes half an hour. results/benchmarks/ contains the latest results and their tables.
# A part of the benchmarks: make bench BENCHMARKS="evaluation reading"
# The speed of another version too, in turns with this one: make bench AGAINST=its/checkout
BENCHMARKS := evaluation reading splatting training gmrw teacher
bench: $(VENV)/.ready
	mkdir -p results/benchmarks
	for name in $(BENCHMARKS); do echo "$$name …"; \
	  $(BIN)/python benchmarks/$$name.py --json > results/benchmarks/$$name.json.new || exit 1; \
	  mv results/benchmarks/$$name.json.new results/benchmarks/$$name.json; done
	if [ -n "$(AGAINST)" ]; then $(BIN)/python benchmarks/against.py $(AGAINST) --json > results/benchmarks/against.json.new && \
	  mv results/benchmarks/against.json.new results/benchmarks/against.json; fi
	$(BIN)/python benchmarks/table.py

# For continuous integration: installs a browser for the tests of the report, if Debian packages can be installed. Without a
# browser, pytest skips these tests.
browser:
	@{ command -v chromium && command -v chromedriver; } > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver; } \
	  > /dev/null 2>&1 || echo "no Chromium: the tests that need one will be skipped"

# Tests the Kubric reader on files that tensorflow-datasets writes. It needs a separate environment: TensorFlow takes 2 GB.
tfds:
	$(PYTHON) -m venv $(VENV)-tfds
	$(VENV)-tfds/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,tfds]'
	$(VENV)-tfds/bin/python -m pytest tests/data/kubric/test_tfds.py

# Compares the adapters with outputs of the peers' own evaluators. Fails if a repository is not checked out. Downloads nothing.
peers: $(VENV)/.ready
	$(BIN)/python -m tests.golden.peers
	$(BIN)/python -m pytest tests/golden/peers

lint: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-tfds $(DEMO)

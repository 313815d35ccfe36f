# `make demo` and `make test` set up everything they need in .venv; nothing else on the machine is touched.
# (`make browser` is the exception: it installs Debian's Chromium.)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
# The tests start processes that share the cores with them; waiting threads must not spin.
export OMP_WAIT_POLICY := passive

.PHONY: demo docs test check unit browser tfds peers lint clean

# Each run prints its own table. The demo shows one table at the end instead.
demo: $(VENV)/.ready
	$(BIN)/vgmae-bench run --method zero-motion  --dataset synth --dataset-set clips=6 --out $(DEMO) > /dev/null
	$(BIN)/vgmae-bench run --method lucas-kanade --dataset synth --dataset-set clips=6 --out $(DEMO) > /dev/null
	$(BIN)/vgmae-bench run --method gaussian-fit --dataset synth --dataset-set clips=6 --out $(DEMO) > /dev/null
	$(BIN)/vgmae-bench run --method videogmae    --dataset synth --dataset-set clips=6 --out $(DEMO) > /dev/null
	@echo
	@$(BIN)/vgmae-bench table --dataset synth --results $(DEMO)
	@echo "The runs are in $(DEMO)/: predictions, metrics of every clip and track, and records of settings, code and machine."

# Types are checked while the tests run: mypy uses one core.
test: $(VENV)/.ready
	@$(MAKE) --no-print-directory --jobs=2 check unit

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/.ready
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

# The documentation as a site: docs/_build/index.html. Warnings are errors.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

$(VENV)/.docs: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

# Speed and memory on this machine, each a comparison within one run; results/benchmarks/ keeps the last. Takes half an hour.
BENCHMARKS := evaluation reading splatting training gmrw teacher
bench: $(VENV)/.ready
	mkdir -p results/benchmarks
	for name in $(BENCHMARKS); do echo "$$name …"; \
	  $(BIN)/python benchmarks/$$name.py --json > results/benchmarks/$$name.json.new || exit 1; \
	  mv results/benchmarks/$$name.json.new results/benchmarks/$$name.json; done

# For continuous integration: a browser for the tests of the report, where Debian's packages can be installed. Without one
# these tests are skipped and say so.
browser:
	@{ command -v chromium && command -v chromedriver; } > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver; } \
	  > /dev/null 2>&1 || echo "no Chromium: the tests that need one will be skipped"

# Kubric's files as tensorflow-datasets itself writes them, in an environment of its own: TensorFlow takes 2 GB.
tfds:
	$(PYTHON) -m venv $(VENV)-tfds
	$(VENV)-tfds/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,tfds]'
	$(VENV)-tfds/bin/python -m pytest tests/data/kubric/test_tfds.py

# The adapters against answers of the peers' own evaluators. Fails if a repository is not checked out. Fetches nothing.
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

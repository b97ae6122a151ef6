# Everything sets itself up: Python 3.11 or newer, make and a package index are enough.
PYTHON ?= python3
VENV ?= .venv
SEEDS ?= 1 2 3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SCALE := $(VENV)/.scale

.PHONY: demo test kills chaos readers scale slow long check lint bench lab lock clean fuzz

demo: $(STAMP)           ## the whole main job with no network: two minutes after installation
	$(BIN)/p9 demo --seconds 45

test: $(STAMP)           ## the quick tests
	$(BIN)/python -m pytest -m "not slow and not live" -n auto --maxprocesses 4 --dist loadfile

kills: $(STAMP)          ## kill -9 at random moments; P9_KILL_SEED=n repeats a run, P9_KILLS=n makes it longer
	$(BIN)/python -m pytest -s -m slow tests/faults/test_kills.py

chaos: $(STAMP)          ## flows killed 200 times at random; P9_CHAOS_SEED=n repeats a run
	P9_CHAOS_KILLS=$${P9_CHAOS_KILLS:-200} $(BIN)/python -m pytest -s -m slow tests/faults/test_interruptions.py

readers: $(STAMP)        ## ten minutes of everybody writing and four reading; P9_MINUTES=n for others
	P9_MINUTES=$${P9_MINUTES:-10} $(BIN)/python -m pytest -s -m slow tests/faults/test_readers.py

scale: $(SCALE)          ## several machines: S3, PostgreSQL, a work pool, Dask, Ray, one request budget; five to ten minutes
	$(BIN)/python -m pytest -m slow tests/faults/test_scale.py tests/faults/test_budgets.py

slow: $(SCALE)           ## the long tests
	$(BIN)/python -m pytest -m "slow"

long: $(STAMP)           ## those of the long tests that need no quiet machine; CI runs them
	$(BIN)/python -m pytest -m slow tests/house tests/unit tests/property tests/parity

fuzz: $(STAMP)           ## ten million bent frames, in three to eight minutes
	P9_FUZZ=10000000 $(BIN)/python -m pytest tests/property/test_fuzz.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test         ## what CI runs first, before one seed of the lab and 'long'

bench: $(STAMP)
	$(BIN)/p9 bench

lab: $(STAMP)            ## every fault at every venue, in virtual time; the table goes to lab.md; SEEDS="1 2" for others
	$(BIN)/p9 lab run $(SEEDS:%=--seed %) --out lab.md

$(STAMP): requirements.lock pyproject.toml
	@echo "installing the pinned packages into $(VENV), once; this takes a minute or two"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .
	touch $@

$(SCALE): $(STAMP) requirements-scale.lock
	$(BIN)/python -m pip install -qq --no-deps --require-hashes -r requirements-scale.lock
	touch $@

lock:                    ## pin the newest versions that fit pyproject.toml, with hashes and without any address
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra notebooks --universal --generate-hashes --no-emit-index-url \
		--no-annotate --no-header -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra scale -c requirements.lock --universal --generate-hashes \
		--no-emit-index-url --no-annotate --no-header -o requirements-scale.lock

clean:
	rm -rf $(VENV) p9-demo

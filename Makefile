# SPDX-License-Identifier: MIT
# `make` alone lists what can be made. Everything goes into .venv/ and .parts/, nothing elsewhere.

SPEED ?= 20
ARGS ?=
SEEDS ?= 100
# Of what is random in the tests, the same in each run: only a change makes a test fail that passed.
SEED ?= 1
# Two for each core: many tests wait for programs, radios and browsers in real time.
WORKERS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

BIN := .venv/bin
SAY := @printf 'tenuto: %s\n'
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq install
# The locks are complete, so pip looks for no dependencies. Hashes keep the packages honest, and
# what is not built here needs no build tools, whose hashes nobody knows.
PIP_LOCKED := $(PIP) --no-deps --require-hashes --only-binary :all:
LOCK := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links
# pyric has no wheel, and is never loaded here: it unblocks adapters of this computer for habluetooth.
RUN_EXTRAS := --extra broker --extra esphome --extra fit --extra fleet --extra intiface --extra report --extra share \
	--extra simulator --extra web --group build --no-emit-package pyric
SEEDED = $(if $(filter random,$(SEED)),,--randomly-seed=$(SEED) --hypothesis-profile=same)

.PHONY: help setup setup-test run test mutants storm clinic search watch wearables fuzz crash kernel bench lint format parts pictures dist install-check licences lock clean
.DELETE_ON_ERROR:

help:
	@awk -F ': .*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.tenuto ## prepare .venv with Tenuto and all that it runs on

setup-test: .venv/.test parts ## prepare for the tests too: tools, Mosquitto and MicroPython

run: setup ## play the lower-back routine on the simulated wearable: make run SPEED=1, SPEED=max, ARGS=...
	@trap : INT; $(BIN)/tenuto run lower-back --speed $(SPEED) $(ARGS) || [ $$? -eq 3 ]

test: setup-test lint ## check everything: make test SEED=2, SEED=random
	@$(BIN)/python -m pytest $(SEEDED) --numprocesses $(WORKERS) --dist worksteal $(ARGS)

mutants: setup-test ## put faults into the code, one by one, and see that the tests notice each
	@$(BIN)/python tests/mutants/run.py $(ARGS)

storm: setup-test ## sessions through all that can go wrong: make storm SEEDS=1000, SEEDS=0 for ever, ARGS="--room memory" or "--sessions 10000"
	@$(BIN)/python -m tests.storm --seeds $(SEEDS) $(ARGS)

clinic: setup-test ## a clinic's day, in which something is killed in every minute: ARGS="--bands 300 --hosts 20 --hours 8 --seed 1"
	@$(BIN)/python -m tests.clinic $(ARGS)

search: setup-test ## every small world with one message lost or doubled and one crash, for ten minutes: ARGS="--minutes 0"
	@$(BIN)/python -m tests.search $(ARGS)

watch: setup-test ## sessions on the Bangle.js and on the core, which must agree: ARGS="--sessions 100000"
	@$(BIN)/python -m tests.bangle.differential $(ARGS)

wearables: setup-test ## what each model of wearable can do, and did on its simulated device
	@$(BIN)/python -m tests.contracts.results $(ARGS)

fuzz: .venv/.fuzz ## spoiled bytes for all that reads bytes, a minute each: ARGS="mqtt --seconds 600"
	@$(BIN)/python -m tests.fuzz $(ARGS)

crash: setup-test ## kill the daemon again and again, and cut the power of its history: ARGS="--kills 300"
	@$(BIN)/python -m tests.crash $(ARGS)

kernel: setup-test ## the chain on a real kernel and a real BlueZ, in a virtual machine: ARGS="--root FOLDER"
	@$(BIN)/python -m tests.kernel $(ARGS)

bench: setup-test ## measure, against doing it live and against the bare libraries, into tests/bench/RESULTS.md
	@$(BIN)/python -m tests.bench.run_all $(ARGS)

lint: .venv/.test ## check style, types and imports
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo 'tenuto: run make format'; exit 1; }
	@$(BIN)/mypy
	@contracts=$$($(BIN)/lint-imports --no-logo 2>&1) || { printf '%s\n' "$$contracts"; exit 1; }

format: .venv/.test ## lay out the code and mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format --quiet

parts:
	@sh tests/parts/fetch.sh

install-check: setup-test ## install as the README says in fresh Debians and in a container: ARGS="trixie container", as root
	@$(BIN)/python -m tests.install $(ARGS)

licences: setup-test ## list the licences of all packages in requirements/LICENSES.md
	@$(BIN)/python requirements/licences.py

pictures: setup-test ## draw the pictures and compute the tables of the READMEs anew
	@for what in firmware.wiring firmware.battery_life mqtt.picture report.picture terminal.picture web.picture; do \
		$(BIN)/python -m tests.$$what || exit 1; \
	done

dist: .venv/.tenuto ## build the wheel and the source distribution into dist/
	@$(BIN)/python -m hatchling build -d dist

lock: .venv/.uv ## choose the newest versions anew and write them to requirements/
	$(SAY) 'choosing versions'
	@$(LOCK) --upgrade pyproject.toml $(RUN_EXTRAS) --output-file requirements/run.lock
	@$(LOCK) --upgrade --group test --constraints requirements/run.lock --output-file requirements/test.lock
	@$(LOCK) --upgrade --group firmware --no-deps --output-file requirements/firmware.lock
	@$(LOCK) --upgrade --group fuzz --no-deps --output-file requirements/fuzz.lock
	@$(LOCK) --upgrade --group lock --no-deps --output-file requirements/uv.lock

clean: ## take away everything that make made
	@rm -rf .venv .parts .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage

# A virtual environment works only where it was made.
ifneq ($(shell cat .venv/.made 2>/dev/null),$(CURDIR))
.PHONY: .venv/.made
endif
.venv/.made:
	@sh requirements/make-venv.sh .venv
	@printf '%s\n' '$(CURDIR)' > $@

.venv/.packages: .venv/.made requirements/run.lock
	$(SAY) 'installing the packages that Tenuto runs on (half a minute the first time)'
	@$(PIP_LOCKED) -r requirements/run.lock
	@touch $@

# The build hook unpacks the libraries of the board into .parts/; see requirements/circuitpython.py.
.venv/.tenuto: .venv/.packages pyproject.toml requirements/firmware.lock
	$(SAY) 'installing Tenuto itself'
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.test: .venv/.tenuto requirements/test.lock
	$(SAY) 'installing the test tools'
	@$(PIP_LOCKED) -r requirements/test.lock
	@touch $@

# Not every Python has a fuzzer that is guided by coverage; without it inputs are spoiled at random.
.venv/.fuzz: .venv/.test requirements/fuzz.lock
	@$(PIP_LOCKED) -r requirements/fuzz.lock 2>/dev/null || echo 'tenuto: no atheris for this Python'
	@touch $@

.venv/.uv: .venv/.made requirements/uv.lock
	@$(PIP_LOCKED) -r requirements/uv.lock
	@touch $@

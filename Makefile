# AlgoPerf Cubes. `make help` explains every target and variable; the work is done by `algoperf`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# --- settings: make TARGET NAME=value ------------------------------------------------------------------
PYTHON ?= python3
#?        the Python 3.11 that makes the environment
VENV ?= .venv
#?        where the environment lies
ACCELERATOR ?= cpu
#?        builds of PyTorch and JAX: cpu, cu126 (V100), cu130
SUBMISSION ?=
#?        folder of a submission, or its .py file
FRAMEWORK ?= pytorch
#?        the submission's framework: jax or pytorch
WORKLOADS ?= digits
#?        names or folders of cubes, separated by commas
RULESET ?= self
#?        self, or external: hyperparameters from the submission's search space
STUDIES ?= 3
#?        studies per workload
TRIALS ?= 5
#?        trials per study if RULESET=external (self-tuning has one)
SEED ?= 0
#?        all randomness follows from it
SCALE ?= full
#?        full, or mini: small models on generated data
VERSION ?= v0.6
#?        benchmark version: targets and budgets
DATA ?= data
#?        preprocessed data; raw data goes to its folder raw
RUNS ?= runs
#?        where runs go: one folder per submission
AGAINST ?= $(recorded)
#?        runs that `make score SUBMISSION=...` compares with: by default the recorded baselines
LOGS ?=
#?        folder of runs for `make leaderboard`
BOARD ?= build/leaderboard
#?        folder that `make leaderboard` writes
TEST_PROCESSES ?= 2
#?        files of tests that `make test` runs at a time
NAME ?=
#?        name of the submission that `make new` writes
EXTRA ?=
#?        more options of `algoperf train`, such as "--max-global-steps 100"

# Small models gain nothing from more threads, and threads that spin for work starve other trials.
export OMP_NUM_THREADS ?= 1

recorded = $(wildcard scoring/baselines/$(VERSION)/$(RULESET)/$(SCALE))

# --- what follows from them ----------------------------------------------------------------------------
comma := ,
ALGOPERF := $(VENV)/bin/algoperf
workloads := $(subst $(comma), ,$(WORKLOADS))
count = $(shell seq 1 $(1))
trials := $(if $(filter self,$(RULESET)),1,$(call count,$(TRIALS)))
jobs := $(foreach w,$(workloads),$(foreach s,$(call count,$(STUDIES)),$(foreach t,$(trials),train/$(s)/$(t)/$(w))))
pytest = $(VENV)/bin/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal --durations 25
demo := nadamw_jax:jax nadamw_pytorch:pytorch momentum_pytorch:pytorch

.PHONY: help setup new demo test test-full check smoke train score leaderboard check-runs baselines cubes containers clean
.DELETE_ON_ERROR:
# Data are folders, and stay: without this, make would try to delete data/digits at the end.
.SECONDARY:

help: ## Explain targets and variables
	@awk 'BEGIN { FS = ":.*## "; print "Targets:" } \
	  /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 } \
	  /^[A-Z_]+ \?=/ { split($$0, setting, " *[?]= *"); name = setting[1]; value = setting[2] } \
	  /^#\?/ { sub(/^#\? +/, ""); variables = variables sprintf("  %-12s %-10s %s\n", name, value, $$0) } \
	  END { printf "Variables (make TARGET NAME=value), with their defaults:\n%s", variables }' $(firstword $(MAKEFILE_LIST))

$(VENV)/ready-$(ACCELERATOR): pyproject.toml constraints.txt ci/install.py
	$(PYTHON) ci/install.py $(VENV) --accelerator $(ACCELERATOR) && touch $@

setup: $(VENV)/ready-$(ACCELERATOR) ## Make the environment: uv (brought by pip), JAX, PyTorch and what else is needed

demo: setup ## Train three submissions on real data and score them: a first result in two minutes
	@for entry in $(demo); do $(MAKE) --no-print-directory train SUBMISSION=submissions/baselines/$${entry%:*} \
	  FRAMEWORK=$${entry#*:} WORKLOADS=digits RULESET=self STUDIES=3 RUNS=demo/runs || exit; done
	@$(ALGOPERF) score demo/runs --output demo/report --submissions submissions
	@$(ALGOPERF) report demo/runs --output demo/report/report.html --submissions submissions
	@echo "Runs: demo/runs. Look at demo/report/report.html in a browser. Next: make new NAME=mine"

test: setup ## Check style and types, and run the tests
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy
	$(VENV)/bin/python ci/make_cube.py --check
	$(pytest) -m "not full"

test-full: test ## The same, and then what takes long: full-size models against the reference, many kills and resumes
	$(pytest) -m full

new: setup ## Write the submission NAME, to start from, for FRAMEWORK and RULESET
	$(if $(NAME),,$(error Which name? Say: make new NAME=mine))
	@$(ALGOPERF) new $(NAME) --framework $(FRAMEWORK) --ruleset $(RULESET)

train: $(jobs) ## Train SUBMISSION on WORKLOADS; finished trials are not repeated, broken ones resumed

train/%: setup | $(addprefix data/,$(workloads))
	$(if $(SUBMISSION),,$(error Which submission? Say: make train SUBMISSION=submissions/template))
	@IFS=/ read -r study trial workload <<< '$*' && $(ALGOPERF) train --workload "$$workload" \
	  --study $$study --trial $$trial --framework $(FRAMEWORK) --submission $(SUBMISSION) --ruleset $(RULESET) \
	  --seed $(SEED) --scale $(SCALE) --version $(VERSION) --data-dir $(DATA) --output-dir $(RUNS) $(EXTRA)

data/%: setup
	@$(ALGOPERF) download --workload $* --scale $(SCALE) --raw-dir $(DATA)/raw
	@$(ALGOPERF) preprocess --workload $* --scale $(SCALE) --raw-dir $(DATA)/raw --data-dir $(DATA)

# The ruleset matters to logs that do not state it: those say `make leaderboard RULESET=...` on the command line.
if_given = $(if $(filter command line environment,$(origin $(1))),$(2))
compared = --version $(VERSION) --submissions submissions

check: setup ## Does SUBMISSION keep the rules? Static and on small models, before any compute is spent
	$(if $(SUBMISSION),,$(error Which submission? Say: make check SUBMISSION=submissions/template))
	@$(ALGOPERF) check $(SUBMISSION) --version $(VERSION) $(call if_given,FRAMEWORK,--framework $(FRAMEWORK)) \
	  $(call if_given,RULESET,--ruleset $(RULESET))

smoke: setup ## Train SUBMISSION on every workload at scale mini: does it work at all?
	$(if $(SUBMISSION),,$(error Which submission? Say: make smoke SUBMISSION=submissions/template))
	@$(ALGOPERF) smoke --submission $(SUBMISSION) --framework $(FRAMEWORK) --ruleset $(RULESET) --seed $(SEED) \
	  --version $(VERSION) --raw-dir $(DATA)/raw --data-dir $(DATA)

score: setup ## Score SUBMISSION in RUNS against the baselines (or AGAINST=); without SUBMISSION all of RUNS
	@chosen=($(compared) --ruleset $(RULESET) --scale $(SCALE) \
	  $(if $(SUBMISSION),--submission $(SUBMISSION) $(if $(AGAINST),--against $(AGAINST)))) && \
	$(ALGOPERF) score $(RUNS) "$${chosen[@]}" --output $(RUNS)/report && \
	$(ALGOPERF) report $(RUNS) "$${chosen[@]}" --output $(RUNS)/report/report.html

leaderboard: setup ## Leaderboard and report of all submissions in LOGS, written into BOARD
	$(if $(LOGS),,$(error Which runs? Say: make leaderboard LOGS=folder))
	@chosen=($(compared) $(call if_given,RULESET,--ruleset $(RULESET)) $(call if_given,SCALE,--scale $(SCALE))) && \
	$(ALGOPERF) score $(LOGS) "$${chosen[@]}" --output $(BOARD) && \
	$(ALGOPERF) report $(LOGS) "$${chosen[@]}" --output $(BOARD)/report.html

check-runs: setup ## Health checks of all runs in RUNS: clocks, cadence, seeds, points, counts, hardware
	@$(ALGOPERF) check-runs $(RUNS) --version $(VERSION) --submissions submissions

baselines: setup ## Record the baselines under RULESET for `make score`; let nothing else run meanwhile
	bash ci/record_baselines.sh $(ALGOPERF) $(VERSION) $(RULESET)

cubes: setup ## Write mlcube.yaml and Dockerfile of every cube from ci/cube
	$(VENV)/bin/python ci/make_cube.py

containers: ## Bring up an engine, build the images of all cubes, run their tasks in containers
	bash ci/container_e2e.sh

clean: ## Remove the environment and the demo; data and runs stay
	rm -rf $(VENV) demo build

# AlgoPerf Cubes. `make help` explains every target and variable; the work is done by `algoperf`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# --- settings: make TARGET NAME=value ------------------------------------------------------------------
PYTHON ?= python3
#?        Python 3.11, which makes the environment
VENV ?= .venv
#?        folder of the environment
ACCELERATOR ?= cpu
#?        builds of PyTorch and JAX: cpu, cu126 (V100), cu130
SUBMISSION ?=
#?        folder of a submission, or its .py file
FRAMEWORK ?= pytorch
#?        the submission's framework: jax or pytorch
WORKLOADS ?= digits
#?        names or folders of cubes, comma-separated
RULESET ?= self
#?        self (self-tuning), or external: hyperparameters from the submission's search space
STUDIES ?= 3
#?        studies per workload
TRIALS ?= 5
#?        trials per study for RULESET=external (self-tuning has one)
SEED ?= 0
#?        all randomness follows from it
SCALE ?= full
#?        full, or mini: small models on generated data
VERSION ?= v0.6
#?        benchmark version: targets and budgets
DATA ?= data
#?        preprocessed data; raw data goes to its folder raw
RUNS ?= runs
#?        folder for runs: one subfolder per submission
AGAINST ?= $(recorded)
#?        runs that `make score SUBMISSION=...` compares with; default: the recorded baselines
LOGS ?=
#?        folder of runs for `make leaderboard`
BOARD ?= build/leaderboard
#?        folder that `make leaderboard` writes to
TEST_PROCESSES ?= 2
#?        number of processes of `make test`
NAME ?=
#?        name of the submission that `make new` writes
EXTRA ?=
#?        more options of `algoperf train`, such as "--max-global-steps 100"

# Small models do not gain from more threads, and spinning threads starve other trials.
export OMP_NUM_THREADS ?= 1

recorded = $(wildcard scoring/baselines/$(VERSION)/$(RULESET)/$(SCALE))

# --- derived values ------------------------------------------------------------------------------------
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
# Data targets are folders to keep: without this, make would try to delete data/digits at the end.
.SECONDARY:

help: ## Explain targets and variables
	@awk 'BEGIN { FS = ":.*## "; print "Targets:" } \
	  /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 } \
	  /^[A-Z_]+ \?=/ { split($$0, setting, " *[?]= *"); name = setting[1]; value = setting[2] } \
	  /^#\?/ { sub(/^#\? +/, ""); variables = variables sprintf("  %-12s %-10s %s\n", name, value, $$0) } \
	  END { printf "Variables (make TARGET NAME=value), with their defaults:\n%s", variables }' $(firstword $(MAKEFILE_LIST))

$(VENV)/ready-$(ACCELERATOR): pyproject.toml constraints.txt ci/install.py
	$(PYTHON) ci/install.py $(VENV) --accelerator $(ACCELERATOR) && touch $@

setup: $(VENV)/ready-$(ACCELERATOR) ## Make the environment: uv (installed by pip), JAX, PyTorch and other dependencies

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

test-full: test ## `make test`, then slow tests: full-size models against the reference, many kills and resumes
	$(pytest) -m full

new: setup ## Write a submission called NAME to start from, for FRAMEWORK and RULESET
	$(if $(NAME),,$(error Which name? Say: make new NAME=mine))
	@$(ALGOPERF) new $(NAME) --framework $(FRAMEWORK) --ruleset $(RULESET)

train: $(jobs) ## Train SUBMISSION on WORKLOADS; skips finished trials, resumes interrupted ones

train/%: setup | $(addprefix data/,$(workloads))
	$(if $(SUBMISSION),,$(error Which submission? Say: make train SUBMISSION=submissions/template))
	@IFS=/ read -r study trial workload <<< '$*' && $(ALGOPERF) train --workload "$$workload" \
	  --study $$study --trial $$trial --framework $(FRAMEWORK) --submission $(SUBMISSION) --ruleset $(RULESET) \
	  --seed $(SEED) --scale $(SCALE) --version $(VERSION) --data-dir $(DATA) --output-dir $(RUNS) $(EXTRA)

data/%: setup
	@$(ALGOPERF) download --workload $* --scale $(SCALE) --raw-dir $(DATA)/raw
	@$(ALGOPERF) preprocess --workload $* --scale $(SCALE) --raw-dir $(DATA)/raw --data-dir $(DATA)

# Logs may not state their ruleset: then give it on the command line, `make leaderboard RULESET=...`.
if_given = $(if $(filter command line environment,$(origin $(1))),$(2))
compared = --version $(VERSION) --submissions submissions

check: setup ## Check SUBMISSION against the rules: its code, and runs on small models
	$(if $(SUBMISSION),,$(error Which submission? Say: make check SUBMISSION=submissions/template))
	@$(ALGOPERF) check $(SUBMISSION) --version $(VERSION) $(call if_given,FRAMEWORK,--framework $(FRAMEWORK)) \
	  $(call if_given,RULESET,--ruleset $(RULESET))

smoke: setup ## Train SUBMISSION on every workload at scale mini, to see if it works at all
	$(if $(SUBMISSION),,$(error Which submission? Say: make smoke SUBMISSION=submissions/template))
	@$(ALGOPERF) smoke --submission $(SUBMISSION) --framework $(FRAMEWORK) --ruleset $(RULESET) --seed $(SEED) \
	  --version $(VERSION) --raw-dir $(DATA)/raw --data-dir $(DATA)

score: setup ## Score SUBMISSION in RUNS against the baselines (or AGAINST=); without SUBMISSION, score all RUNS
	$(if $(SUBMISSION),$(if $(AGAINST),,@echo "No baselines are recorded for $(VERSION), RULESET=$(RULESET), \
	  SCALE=$(SCALE): the comparison is with the other runs in $(RUNS)."))
	@chosen=($(compared) --ruleset $(RULESET) --scale $(SCALE) \
	  $(if $(SUBMISSION),--submission $(SUBMISSION) $(if $(AGAINST),--against $(AGAINST)))) && \
	$(ALGOPERF) score $(RUNS) "$${chosen[@]}" --output $(RUNS)/report && \
	$(ALGOPERF) report $(RUNS) "$${chosen[@]}" --output $(RUNS)/report/report.html

leaderboard: setup ## Write leaderboard and report of all submissions in LOGS to BOARD
	$(if $(LOGS),,$(error Which runs? Say: make leaderboard LOGS=folder))
	@chosen=($(compared) $(call if_given,RULESET,--ruleset $(RULESET)) $(call if_given,SCALE,--scale $(SCALE))) && \
	$(ALGOPERF) score $(LOGS) "$${chosen[@]}" --output $(BOARD) && \
	$(ALGOPERF) report $(LOGS) "$${chosen[@]}" --output $(BOARD)/report.html

check-runs: setup ## Check the health of all runs in RUNS: clocks, cadence, seeds, points, counts, hardware
	@$(ALGOPERF) check-runs $(RUNS) $(compared) $(call if_given,RULESET,--ruleset $(RULESET)) \
	  $(call if_given,SCALE,--scale $(SCALE))

baselines: setup ## Record the baselines under RULESET for `make score`; run nothing else meanwhile
	bash ci/record_baselines.sh $(ALGOPERF) $(VERSION) $(RULESET)

cubes: setup ## Write mlcube.yaml and Dockerfile of every cube from ci/cube
	$(VENV)/bin/python ci/make_cube.py

containers: ## Bring up an engine, build the images of all cubes, run their tasks in containers
	bash ci/container_e2e.sh

clean: ## Remove the environment and the demo; keep data and runs
	rm -rf $(VENV) demo build

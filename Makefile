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
MODEL ?=
#?        folder of a model submission, or `published`: the model track, instead of SUBMISSION
SUBMISSIONS ?=
#?        the same for `make campaign`, several, comma-separated; with TRACK=model, models
ENGINE ?= local
#?        what carries a campaign out: local, slurm, skypilot
LAUNCHER ?= process
#?        what a campaign's runs are started in: process, docker, podman, apptainer, mlcube
SITE ?=
#?        settings of your machines for `make campaign`, a TOML file
CAMPAIGN ?= campaign
#?        folder of `make campaign`
FRAMEWORK ?=
#?        jax or pytorch; default: as the submission says (make new: pytorch)
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
TRACK ?=
#?        algorithm or model; for scoring where there are runs of both, `make new` and `make campaign`
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
WITH ?=
#?        what `make compare` trains beside: a baseline's name, or a path; default: nadamw
COMPARISON ?= comparison
#?        folder for the runs of `make compare`
LOGS ?=
#?        folder of runs for `make leaderboard`
BOARD ?= build/leaderboard
#?        folder that `make leaderboard` writes to
TEST_PROCESSES ?= 2
#?        number of processes of `make test`
NAME ?=
#?        name of the submission that `make new` writes
EXTRA ?=
#?        more options of `algoperf train`, such as "--share" (campaign: of the plan; smoke: --share; leaderboard: --strict)

# Small models do not gain from more threads, and spinning threads starve other trials.
export OMP_NUM_THREADS ?= 1

recorded = $(wildcard scoring/baselines/$(VERSION)/$(RULESET)/$(SCALE))

# --- mistakes in the call, said before anything is done ------------------------------------------------
quoted = '$(subst ','\'',$(1))'
makefile := $(firstword $(MAKEFILE_LIST))
settings := $(shell sed -n 's/^\([A-Z_]*\) ?=.*/\1/p' $(makefile))
targets := $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' $(makefile))
given := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
goals := $(or $(MAKECMDGOALS),$(.DEFAULT_GOAL))
# $(call meant,word,names,likeness): "Did you mean NAME?" with the nearest name, if one is that much like the word.
meant = $(addprefix Did you mean ,$(addsuffix ?,$(shell $(PYTHON) -c "import difflib, sys; word, likeness, *names = sys.argv[1:]; \
  near = {name.lower(): name for name in names}; \
  print(*map(near.get, difflib.get_close_matches(word.lower(), near, 1, float(likeness))))" $(call quoted,$(1)) $(3) $(2))))

unknown := $(firstword $(filter-out $(settings) OMP_NUM_THREADS MAKEFLAGS SHELL -%,$(given)))
ifneq ($(unknown),)
$(error $(strip Unknown variable $(unknown). $(call meant,$(unknown),$(settings),0.5) Allowed: $(sort $(settings))))
endif

# Make has no word on which targets there are, and "nothing to be done" for any folder, such as `make tests`.
unknown := $(firstword $(filter-out $(targets) $(VENV)/ready-$(ACCELERATOR) $(VENV)/docs-ready,$(goals)))
ifneq ($(unknown),)
$(error $(strip Unknown target $(unknown). $(call meant,$(unknown),$(targets),0.6) Allowed: $(sort $(targets))))
endif

# Which settings a target uses: any other would be ignored without a word. A test compares this with the recipes.
environment = ACCELERATOR PYTHON VENV
training = $(environment) DATA EXTRA FRAMEWORK RULESET SCALE SEED STUDIES TRIALS VERSION WORKLOADS
scoring = $(environment) MODEL RULESET SCALE TRACK VERSION
uses.help =
uses.setup = $(environment)
uses.new = $(environment) FRAMEWORK NAME RULESET TRACK WORKLOADS
uses.demo = $(environment) DATA
uses.docs = $(environment)
uses.test = $(environment) TEST_PROCESSES
uses.test-full = $(uses.test)
uses.check = $(environment) FRAMEWORK MODEL RULESET SUBMISSION VERSION
uses.smoke = $(filter-out SCALE STUDIES TRIALS,$(training)) MODEL SUBMISSION
uses.train = $(training) MODEL RUNS SUBMISSION
uses.compare = $(training) COMPARISON MODEL SUBMISSION WITH
uses.campaign = $(training) CAMPAIGN ENGINE LAUNCHER SITE SUBMISSIONS TRACK
uses.slurm = $(environment)
uses.skypilot = $(environment)
uses.containers = ACCELERATOR PYTHON
uses.status = $(environment) RULESET RUNS SCALE STUDIES TRIALS VERSION WORKLOADS
uses.score = $(scoring) AGAINST RUNS SUBMISSION
uses.leaderboard = $(scoring) BOARD EXTRA LOGS
uses.check-runs = $(scoring) RUNS
uses.baselines = $(environment) DATA RULESET VERSION
uses.cubes = $(environment)
uses.clean = VENV
used := $(sort $(foreach goal,$(goals),$(uses.$(goal))))
unused := $(firstword $(filter-out $(used) PYTHON,$(filter $(settings),$(given))))
ifeq ($(filter-out $(targets),$(goals))$(if $(unused),,none),)
$(error $(strip `make $(goals)` does not use $(unused). $(call meant,$(unused),$(used),0.8) \
  It uses: $(or $(used),no variables). Targets that use $(unused): $(foreach target,$(targets),$(if \
  $(filter $(unused),$(uses.$(target))),$(target)))))
endif

# Else what belongs into a folder would land in the root of the file system.
$(foreach name,BOARD COMPARISON DATA RUNS VENV,$(if $(strip $($(name))),,$(error $(name) is empty. Leave it out for the \
  default, or name a folder)))
ifneq ($(word 2,$(VENV)),)
$(error VENV is a target of make, which takes no spaces: "$(VENV)")
endif
# $(call asks,VARIABLE,targets,example): end if one of the targets is asked for without the variable.
asks = $(if $(filter $(2),$(MAKECMDGOALS)),$(if $(strip $($(1))),,$(error Which $(3))))
entry = $(or $(SUBMISSION),$(MODEL))
$(call asks,entry,train check smoke compare,submission? Say: make $(firstword $(MAKECMDGOALS)) SUBMISSION=submissions/template)
$(call asks,SUBMISSIONS,campaign,submissions? Say: make campaign SUBMISSIONS=submissions/template)
$(call asks,NAME,new,name? Say: make new NAME=mine)
$(call asks,LOGS,leaderboard,runs? Say: make leaderboard LOGS=folder)
# $(call needs,VARIABLE,targets,condition,words): end if the variable is given to one of the targets for nothing.
needs = $(if $(and $(filter $(1),$(given)),$(filter $(2),$(MAKECMDGOALS))),$(if $(strip $(3)),,$(error $(1) is not used: $(4))))
$(call needs,AGAINST,score,$(SUBMISSION),it says what SUBMISSION is compared with. Give SUBMISSION as well or leave it out)
$(call needs,TRIALS,train compare campaign,$(filter-out self,$(RULESET))$(filter 1,$(TRIALS)),a study is one trial with \
  RULESET=self. Give RULESET=external or leave it out)

# --- derived values ------------------------------------------------------------------------------------
# With this variable, messages name variables of make instead of options.
ALGOPERF = ALGOPERF_CALLED_BY_MAKE=$@ $(VENV)/bin/algoperf
# $(call option,--name,VARIABLE): the option with the variable's value, if it has one.
option = $(if $(strip $($(2))),$(1) $(call quoted,$($(2))))
common = $(call option,--submission,SUBMISSION) $(call option,--model,MODEL) $(call option,--framework,FRAMEWORK) $(call option,--ruleset,RULESET) \
  $(call option,--seed,SEED) $(call option,--version,VERSION) --raw-dir $(call quoted,$(DATA)/raw) $(call option,--data-dir,DATA)
plan = --workloads $(call quoted,$(WORKLOADS)) --studies $(call quoted,$(STUDIES)) $(call option,--scale,SCALE) \
  --trials $(call quoted,$(TRIALS)) $(common)
pytest = $(VENV)/bin/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal --durations 25
demo := nadamw_jax nadamw_pytorch momentum_pytorch

.PHONY: $(targets)
.DELETE_ON_ERROR:
# Trials at the same time disturb each other's times.
.NOTPARALLEL:

help: ## Explain targets and variables
	@awk 'BEGIN { FS = ":.*## "; print "Targets:" } \
	  /^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 } \
	  /^[A-Z_]+ \?=/ { split($$0, setting, " *[?]= *"); name = setting[1]; value = setting[2]; if (value ~ /^\$$/) value = "" } \
	  /^#\?/ { sub(/^#\? +/, ""); variables = variables sprintf("  %-12s %-10s %s\n", name, value, $$0) } \
	  END { printf "Variables (make TARGET NAME=value), with their defaults:\n%s", variables }' $(makefile)

$(VENV)/ready-$(ACCELERATOR): pyproject.toml constraints.txt ci/install.py
	$(PYTHON) ci/install.py $(VENV) --accelerator $(ACCELERATOR) && touch $@

setup: $(VENV)/ready-$(ACCELERATOR) ## Make the environment: uv (installed by pip), JAX, PyTorch and other dependencies

demo: setup ## Train three submissions on real data and score them: a first result, a few minutes after the setup
	@for name in $(demo); do $(ALGOPERF) train-all --submission submissions/baselines/$$name --ruleset self \
	  --workloads digits --studies 3 --raw-dir $(call quoted,$(DATA)/raw) --data-dir $(call quoted,$(DATA)) \
	  --output-dir demo/runs || exit; done
	@$(ALGOPERF) score demo/runs --output demo/report --submissions submissions
	@echo "Runs: demo/runs. Look at demo/report/report.html in a browser. Next: make new NAME=mine"

test: setup ## Check style and types, and run the tests
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy
	$(VENV)/bin/python ci/make_cube.py --check
	$(pytest) -m "not full"

test-full: test ## `make test`, then slow tests: full-size models against the reference, many kills and resumes
	$(pytest) -m full

new: setup ## Write a submission called NAME to start from, for FRAMEWORK and RULESET, or TRACK=model WORKLOADS=wmt
	@$(ALGOPERF) new --framework $(call quoted,$(or $(FRAMEWORK),pytorch)) $(call option,--track,TRACK) \
	  $(call if_given,WORKLOADS,$(call option,--workload,WORKLOADS)) --ruleset $(call quoted,$(RULESET)) -- $(call quoted,$(NAME))

train: setup ## Train SUBMISSION (or MODEL) on WORKLOADS; skips finished trials, resumes interrupted ones
	@$(ALGOPERF) train-all $(plan) --output-dir $(call quoted,$(RUNS)) $(EXTRA)

compare: setup ## Train SUBMISSION (or MODEL) and a baseline (WITH=) here, in turn, and compare their times
	@$(ALGOPERF) compare $(plan) $(call option,--with,WITH) --output-dir $(call quoted,$(COMPARISON)) $(EXTRA)

folder = $(call quoted,$(CAMPAIGN))
campaign: setup ## Plan and run SUBMISSIONS on WORKLOADS with ENGINE; again after any accident. Then LOGS=campaign/runs
	@$(ALGOPERF) campaign plan --submissions $(call quoted,$(SUBMISSIONS)) --workloads $(call quoted,$(WORKLOADS)) \
	  --studies $(call quoted,$(STUDIES)) --trials $(call quoted,$(TRIALS)) $(call option,--ruleset,RULESET) \
	  $(call option,--track,TRACK) $(call option,--framework,FRAMEWORK) \
	  $(call option,--seed,SEED) $(call option,--scale,SCALE) $(call option,--version,VERSION) \
	  $(call option,--launcher,LAUNCHER) --accelerator $(call quoted,$(ACCELERATOR)) $(call option,--site,SITE) \
	  --engine $(call quoted,$(ENGINE)) --raw-dir $(call quoted,$(DATA)/raw) $(call option,--data-dir,DATA) --output $(folder) $(EXTRA)
	@$(ALGOPERF) campaign run --engine $(call quoted,$(ENGINE)) $(call option,--site,SITE) $(folder); code=$$?; \
	  $(ALGOPERF) campaign status --once $(folder); \
	  if [ -d $(folder)/runs ]; then echo "Next: make leaderboard LOGS="$(folder)/runs; fi; exit $$code

# Logs may not state their ruleset: then give it on the command line, `make leaderboard RULESET=...`.
if_given = $(if $(filter command line environment,$(origin $(1))),$(2))
track = $(or $(TRACK),$(if $(MODEL),model))
compared = $(call option,--version,VERSION) $(call option,--track,track) --submissions submissions

check: setup ## Check SUBMISSION (or MODEL) against the rules: its code, and runs on small models
	@$(ALGOPERF) check $(call option,--version,VERSION) $(call option,--framework,FRAMEWORK) \
	  $(call if_given,RULESET,$(call option,--ruleset,RULESET)) -- $(call quoted,$(entry))

smoke: setup ## Train SUBMISSION (or MODEL) on every workload (or WORKLOADS=) at scale mini, to see if it works at all; starts over
	@$(ALGOPERF) smoke $(common) $(call if_given,WORKLOADS,$(call option,--workloads,WORKLOADS)) $(EXTRA)

status: setup ## Show where the runs in RUNS stand: finished, failed, missing ...; expects STUDIES of WORKLOADS if given
	@$(ALGOPERF) status $(call quoted,$(RUNS)) $(call if_given,RULESET,$(call option,--ruleset,RULESET)) \
	  $(call if_given,WORKLOADS,$(call option,--workloads,WORKLOADS)) $(call if_given,STUDIES,$(call option,--studies,STUDIES)) \
	  $(call if_given,TRIALS,$(call option,--trials,TRIALS)) $(call if_given,SCALE,$(call option,--scale,SCALE)) \
	  $(call option,--version,VERSION)

score: setup ## Score SUBMISSION in RUNS against the baselines (or AGAINST=); without SUBMISSION, all RUNS; MODEL=: models
	$(if $(SUBMISSION),$(if $(AGAINST),,@echo "No baselines are recorded for $(VERSION), RULESET=$(RULESET), \
	  SCALE=$(SCALE): the comparison is with the other runs in" $(call quoted,$(RUNS)).))
	@chosen=($(compared) $(call option,--ruleset,RULESET) $(call option,--scale,SCALE) \
	  $(if $(SUBMISSION),$(call option,--submission,SUBMISSION) $(call option,--against,AGAINST))) && \
	$(ALGOPERF) score $(call quoted,$(RUNS)) "$${chosen[@]}" --report

leaderboard: setup ## Write leaderboard and report of all submissions in LOGS to BOARD; EXTRA=--strict: only complete ones
	@chosen=($(compared) $(call if_given,RULESET,$(call option,--ruleset,RULESET)) \
	  $(call if_given,SCALE,$(call option,--scale,SCALE))) && logs=$(call quoted,$(LOGS)) && board=$(call quoted,$(BOARD)) && \
	$(ALGOPERF) score "$$logs" "$${chosen[@]}" --output "$$board" $(EXTRA)

check-runs: setup ## Check the health of all runs in RUNS: clocks, cadence, seeds, points, counts, hardware
	@$(ALGOPERF) check-runs $(call quoted,$(RUNS)) $(compared) $(call if_given,RULESET,$(call option,--ruleset,RULESET)) \
	  $(call if_given,SCALE,$(call option,--scale,SCALE))

baselines: setup ## Record the baselines under RULESET for `make score`; run nothing else meanwhile
	bash ci/record_baselines.sh $(VENV)/bin/algoperf $(call quoted,$(VERSION)) $(call quoted,$(RULESET))

cubes: setup ## Write mlcube.yaml and Dockerfile of every cube from ci/cube
	$(VENV)/bin/python ci/make_cube.py

containers: ## Bring up an engine, build the images of all cubes, run their tasks in containers
	bash ci/container_e2e.sh

slurm: setup ## Bring up a Slurm of four make-believe nodes on this machine (as root), and run campaigns on it
	bash ci/slurm_e2e.sh

skypilot: setup ## Let SkyPilot judge tasks of campaigns, without a cloud; says so if SkyPilot cannot be had
	bash ci/skypilot_e2e.sh

$(VENV)/docs-ready: $(VENV)/ready-$(ACCELERATOR)
	$(PYTHON) ci/install.py $(VENV) --accelerator $(ACCELERATOR) --extras jax,pytorch,data,dev,docs && touch $@

docs: $(VENV)/docs-ready ## Write the documentation as a site with search and API reference to build/docs
	@$(VENV)/bin/python -m sphinx --fail-on-warning --keep-going --quiet -c docs . build/docs
	@echo "Look at build/docs/docs/index.html in a browser."

clean: ## Remove the environment and the demo; keep data and runs
	rm -rf $(VENV) demo build

# Gnomon. `make run` and `make test` set up what they need and then work; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP := $(PY) -m pip --disable-pip-version-check
CHARTER ?= examples/helpdesk/charter.yaml
GUARDS := floors invariant-ai nemoguardrails inspect-sentinel llm-guard

.PHONY: help run test fuzz check format experiments bench schema clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

run: $(VENV)/run  ## set up, then the main job: charter + embedded model -> report (CHARTER=… for your own)
	@# 1 (not met) and 3 (inconclusive) are verdicts on the model; the job itself went well.
	$(VENV)/bin/gnomon run $(CHARTER) || test $$? -eq 1 -o $$? -eq 3

test: $(VENV)/dev  ## set up, then the tests
	$(PY) -m pytest -n 2 --dist loadscope

fuzz: $(VENV)/dev  ## the tests with new random examples (`make test` repeats the same ones)
	HYPOTHESIS_PROFILE=new $(PY) -m pytest -n 2 --dist loadscope

check: $(VENV)/dev  ## formatting, lint and types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: $(VENV)/dev  ## rewrite the sources in the house format
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

experiments: $(VENV)/dev .peers/trl/made  ## the long experiments and the slow tests (hours); results into docs/experiments
	$(PY) -m pytest -m slow -x -q -o timeout=0
	mkdir -p docs/experiments
	for file in experiments/*.py; do echo "== $$file"; $(PY) $$file; done

bench: $(VENV)/dev .peers/trl/made .peers/lmeval/made .peers/guards/made .peers/litellm/made .peers/nanogcg/made .peers/garak/made $(GUARDS:%=.peers/%/made)  ## every benchmark, each with a peer beside it; results into docs/benchmarks
	mkdir -p docs/benchmarks
	for file in benchmarks/*.py; do echo "== $$file"; $(PY) $$file --json | tee docs/benchmarks/$$(basename $$file .py).json; done

schema: $(VENV)/dev  ## write the JSON Schemas in docs anew
	$(PY) -c 'from pathlib import Path; from gnomon.core.files import json_text; from gnomon.charter import load; \
	  from gnomon.limits import certificate; made = {"charter": load, "limit-certificate": certificate}; \
	  [Path(f"docs/{name}.schema.json").write_text(json_text(m.json_schema())) for name, m in made.items()]'

clean:  ## remove the environment and caches (runs/ is kept)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Set-up. Debian splits venv out of python3: install it where that is possible, say so where it is not.
$(VENV)/made:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: install it, or name it with: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq python3-venv; \
	  else echo "Python's venv module is missing. As root: apt-get install python3-venv"; exit 2; fi; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/run: $(VENV)/made pyproject.toml constraints.txt
	@echo "Installing Gnomon with local models (a few minutes the first time) ..."
	$(PIP) install -q -c constraints.txt -e '.[train]'
	touch $@

$(VENV)/dev: $(VENV)/run
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	touch $@

# TRL in an environment of its own: a peer to measure against and to take test vectors from, never a dependency.
.peers/trl/made: $(VENV)/made constraints.txt
	$(PYTHON) -m venv .peers/trl
	.peers/trl/bin/python -m pip install -q -c constraints.txt torch
	.peers/trl/bin/python -m pip install -q -c constraints.txt transformers trl==1.16.0 accelerate peft datasets
	touch $@

# The field's evaluation harness, likewise: to measure against and to take test vectors from.
.peers/lmeval/made: $(VENV)/made constraints.txt
	$(PYTHON) -m venv .peers/lmeval
	.peers/lmeval/bin/python -m pip install -q -c constraints.txt torch
	.peers/lmeval/bin/python -m pip install -q -c constraints.txt transformers accelerate 'lm_eval[hf]==0.4.13'
	touch $@

# Two packaged detectors of prompt injection in an environment of their own: peers to measure against, never a dependency.
.peers/guards/made: $(VENV)/made constraints.txt
	$(PYTHON) -m venv .peers/guards
	.peers/guards/bin/python -m pip install -q -c constraints.txt torch
	.peers/guards/bin/python -m pip install -q tiktoken securevector-guardian-model==1.4.0 metatronnanoguard==0.1.0
	touch $@

# Other guards, to measure against. One that cannot be installed is named in the benchmark's result and stops nothing.
.peers/floors/made: PACKAGES := google-re2 hyperscan
.peers/invariant-ai/made: PACKAGES := invariant-ai==0.3.5
.peers/nemoguardrails/made: PACKAGES := nemoguardrails==0.24.1
.peers/inspect-sentinel/made: PACKAGES := 'inspect-sentinel[sidecar,openai]==0.2.0' httpx
.peers/llm-guard/made: PACKAGES := llm-guard==0.3.16
.peers/llm-guard/made: FIRST := torch
$(GUARDS:%=.peers/%/made): $(VENV)/made constraints.txt
	$(PYTHON) -m venv $(@D)
	{ for each in "$(FIRST)" "$(PACKAGES)"; do test -z "$$each" \
	  || eval "$(@D)/bin/python -m pip install -q -c constraints.txt $$each"; done && touch $@; } \
	  || echo "$(@D) could not be installed; it will be reported as missing"

# Another implementation of Greedy Coordinate Gradient, to measure against. It asks for an older transformers.
.peers/nanogcg/made: $(VENV)/made constraints.txt
	$(PYTHON) -m venv .peers/nanogcg
	.peers/nanogcg/bin/python -m pip install -q -c constraints.txt torch
	.peers/nanogcg/bin/python -m pip install -q -c constraints.txt nanogcg==0.3.0
	touch $@

# A red-teaming tool, to measure the attack engine against; only with what its generator for endpoints imports.
.peers/garak/made: $(VENV)/made
	$(PYTHON) -m venv .peers/garak
	.peers/garak/bin/python -m pip install -q --no-deps garak==0.17.1
	.peers/garak/bin/python -m pip install -q 'openai<3' httpx backoff colorama jsonpath-ng numpy PyYAML requests tqdm xdg-base-dirs \
	  nltk langdetect wn==0.9.5 zalgolib
	touch $@

# LiteLLM's proxy, a gateway to compare with. Its newest release asks for a certifi that not every mirror has yet.
.peers/litellm/made: $(VENV)/made
	$(PYTHON) -m venv .peers/litellm
	.peers/litellm/bin/python -m pip install -q 'litellm[proxy]'
	.peers/litellm/bin/python -m pip install -q --no-deps litellm==1.109.1
	touch $@

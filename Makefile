# The everyday commands. `make up` and `make test` are the README's; `make help` lists the rest.
STACK ?= dev
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.stamp
# What commands and their plugins import is compiled once, also where Python is told not to keep what it compiles: each
# of the three processes of `up` would compile it anew. (All that is installed would take a minute.)
IMPORTED := netspec.cli.up, netspec.program, netspec.deploy.session, netspec.verify.runner, netspec.verify.report, \
  pulumi.dynamic, pulumi.runtime.proto.provider_pb2_grpc, pulumi_kubernetes, kubernetes.config, testinfra

.PHONY: help env up verify faults aws prove-eks prove-kernel test lint format golden browser bench down clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -W ignore -c "import $(IMPORTED)"
	@touch $@

env: $(STAMP)  ## only the Python environment: .venv with the netspec command

up: $(STAMP)  ## bring stack $(STACK) up, verify it, say where the report is
	$(VENV)/bin/netspec up --stack $(STACK)

verify: $(STAMP)  ## verify the running stack again
	$(VENV)/bin/netspec verify --stack $(STACK)

faults: $(STAMP)  ## make the faults of tests/live/faults.py on the running stack $(STACK), one by one: caught, cause, seconds
	NETSPEC_LIVE_STACK=$(STACK) PYTHONPATH=. $(VENV)/bin/python tests/live

prove-eks: $(STAMP)  ## stack prod on an AWS account of yours: up, verified, down (docs/eks.md says what it costs)
	$(VENV)/bin/netspec capacity stacks/boutique.yaml --stack prod
	$(VENV)/bin/netspec up stacks/boutique.yaml --stack prod
	$(VENV)/bin/netspec down --stack prod

prove-kernel: $(STAMP)  ## what this machine's kernel lacks, on a second one (docs/where-run.md): kube-proxy ipvs, SCTP, tunnels
	PYTHONPATH=. $(VENV)/bin/python -m tests.kernel

aws: .venv/aws/.stamp  ## the environment of the stand-in of AWS that tests of the engine use: boto3, moto, pulumi-aws

.venv/aws/.stamp: requirements/aws.txt | $(STAMP)
	$(PYTHON) -m venv .venv/aws
	.venv/aws/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/aws.txt
	@touch $@

test: $(STAMP)  ## run the tests, in two processes; then the live ones, where the cluster of `make up` runs
	$(VENV)/bin/pytest -n 2 --dist loadfile --ignore tests/live
	$(VENV)/bin/pytest tests/live

lint: $(STAMP)  ## ruff and strict mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(STAMP)  ## format and sort imports
	$(VENV)/bin/ruff check --fix-only --quiet .
	$(VENV)/bin/ruff format --quiet .

golden: $(STAMP)  ## rewrite the expected files of tests/golden
	$(VENV)/bin/pytest -q tests/golden --update-golden

browser:  ## the headless Chromium that the tests of the pages use, from Debian's packages
	@command -v chromium-headless-shell chromium >/dev/null || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends chromium-headless-shell fonts-dejavu-core >/dev/null; }

bench: $(STAMP)  ## ratios against named baselines
	$(VENV)/bin/python -m bench

down: $(STAMP)  ## destroy the stack: no container, network, namespace, mount or process stays
	$(VENV)/bin/netspec down --stack $(STACK)

clean:  ## remove what the other commands made in this folder, except what `down` needs: .netspec
	rm -rf $(VENV) out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: requirements
requirements: $(STAMP)  ## pin requirements/*.in again, with hashes
	$(PYTHON) -m venv .venv/pin && .venv/pin/bin/pip install --quiet pip-tools
	cd requirements && for set in run dev aws; do ../.venv/pin/bin/pip-compile --quiet --generate-hashes --strip-extras \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --allow-unsafe -o $$set.txt $$set.in; done

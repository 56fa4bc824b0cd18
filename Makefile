# Everything a person or CI types. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo lab-up lab-down lab-regions lab-regions-down vm-up vm-down shell conformance conformance-self test test-fast test-all bench-engine bench-db bench-cutover bench-failover bench-host bench-canary bench-monitoring bench-regions bench-first-hour figures chaos chaos-db pictures docs eda quality tidy secrets cloud bundle clean

VENV   := .venv
PYTHON := $(VENV)/bin/python
KIT    := build/conformance/venv
PICTURES := build/pictures/venv
DOCS   := build/docs/venv
EDA    := build/eda/venv
QUALITY := build/quality/venv
AWS    := build/aws/venv
RUN    := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" PYTHONPATH="$(CURDIR):$(CURDIR)/build/collections:$(CURDIR)/tests/bench" ANSIBLE_CONFIG="$(CURDIR)/ansible.cfg"

help:           ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(VENV)/.ready build/collections/ansible_collections/hft/ops   ## venv with the pinned tools (no host-wide change but python3-venv)

$(VENV)/.ready: requirements.txt
	@cmp --silent requirements.txt $@ || tests/bootstrap $(VENV) requirements.txt
	@cp requirements.txt $@

# Playbooks name roles and modules by FQCN; this link lets a checkout stand where an installed collection would.
build/collections/ansible_collections/hft/ops:
	@mkdir -p $(@D) && ln -s ../../../.. $@

demo: setup     ## real hosts, site.yml, an engine trading on the paper venue, proof
	@$(RUN) $(PYTHON) -m lab.demo

lab-up: setup   ## the lab's hosts alone
	@$(RUN) $(PYTHON) -m lab up

lab-down: setup ## remove the lab's hosts, their disks and their network
	@$(RUN) $(PYTHON) -m lab down

lab-regions: setup ## NY4, LD5, TY3 and a recovery site with an ocean between them, each region trading on its own database
	@$(RUN) $(PYTHON) -m lab.regions

lab-regions-down: setup ## remove these hosts, their disks, their network and the ocean
	@$(RUN) $(PYTHON) -m lab --inventory inventories/lab_regions down

vm-up: setup    ## a virtual host of its own kernel and boot loader, for what a container cannot prove
	@$(RUN) $(PYTHON) -m lab.vm up

vm-down: setup  ## power it off; what was written to its disk is gone with the next vm-up
	@$(RUN) $(PYTHON) -m lab.vm down

shell: setup    ## a shell on one host: make shell HOST=hft-prod-01
	@$(RUN) $(PYTHON) -m lab shell $(HOST)

$(KIT)/.ready: tests/conformance/requirements.txt
	@mkdir -p $(@D) && tests/bootstrap $(KIT) $<
	@touch $@

conformance: $(KIT)/.ready ## an engine against the contract: ENGINE_URL=URL, or ENVIRONMENT=FILE for all of it
	@$(KIT)/bin/python tests/conformance $(if $(ENVIRONMENT),--environment "$(ENVIRONMENT)",--engine-url "$(ENGINE_URL)")

conformance-self: $(KIT)/.ready ## our engine passes the kit, and each engine broken on purpose fails it
	@$(KIT)/bin/python tests/conformance/selftest.py

test: setup     ## the whole suite, by the stages and budgets of tests/stages.yml
	@$(RUN) $(PYTHON) tests/run_stages.py --set test

test-fast: setup ## yamllint, ruff, gates and units
	@$(RUN) $(PYTHON) tests/run_stages.py --set fast

test-all: setup ## test, and what is too long for every change
	@$(RUN) $(PYTHON) tests/run_stages.py --set all

bench-engine: setup ## hot path, rings and wire beside their peers: build/bench/engine.json
	@$(RUN) $(PYTHON) tests/bench/engine.py

bench-db: setup ## rows a second, switchover and failover under load, on the lab: build/bench/database.json
	@$(RUN) $(PYTHON) tests/bench/database.py

bench-cutover: setup ## transfers under load beside the runbook's own steps, on the lab: build/bench/cutover.json
	@$(RUN) $(PYTHON) tests/bench/cutover.py

bench-failover: setup ## engines, hosts and a site lost, on the lab: build/bench/failover.json
	@$(RUN) $(PYTHON) tests/bench/failover.py

bench-regions: setup ## regions.yml in check mode on 200 simulated hosts of four regions: build/bench/regions.json
	@$(RUN) $(PYTHON) tests/bench/regions.py

bench-host: setup ## a host's state beside today's modules, on a container and a virtual host, and a fleet: build/bench/host.json
	@$(RUN) $(PYTHON) tests/bench/host.py --vm

bench-monitoring: setup ## what a scrape a second costs an engine that trades: build/bench/monitoring.json
	@$(RUN) $(PYTHON) tests/bench/monitoring.py

bench-first-hour: setup ## docs/first_hour.md typed in a clone of its own, on a machine without a lab: build/bench/first_hour.json
	@$(RUN) $(PYTHON) tests/first_hour

bench-canary: setup ## how often a worse canary is told, by noise and samples: build/bench/canary.json and the tables in docs/
	@$(RUN) $(PYTHON) tests/bench/canary.py

figures: setup ## the figures of README.md and docs/figures.md, from what the benches left in build/
	@$(RUN) $(PYTHON) tests/bench/figures.py

chaos: setup    ## faults in the middle of transfers, on the lab: build/chaos.json
	@$(RUN) $(PYTHON) tests/chaos/transfers.py

chaos-db: setup ## twenty faults of the database under load, on the lab: build/chaos_db.json
	@$(RUN) $(PYTHON) tests/chaos/database_faults.py

$(PICTURES)/.ready: docs/dashboards/requirements.txt
	@mkdir -p $(@D) && tests/bootstrap $(PICTURES) $<
	@touch $@

pictures: $(PICTURES)/.ready ## docs/dashboards/*.png from a Prometheus that scrapes engines: make pictures PROMETHEUS=URL
	@$(PICTURES)/bin/python docs/dashboards/draw.py "$(PROMETHEUS)"

$(DOCS)/.ready: docs/requirements.txt
	@mkdir -p $(@D) && tests/bootstrap $(DOCS) $<
	@touch $@

$(EDA)/.ready: tests/eda/requirements.txt
	@mkdir -p $(@D) && tests/bootstrap $(EDA) $<
	@touch $@

eda: setup $(EDA)/.ready ## the rulebook in a real ansible-rulebook, behind a real Alertmanager
	@$(RUN) $(PYTHON) -m pytest tests/eda -q $(if $(STAGE_JUNIT),--junit-xml="$(STAGE_JUNIT)/eda.xml")

docs: $(DOCS)/.ready ## the documentation as one static site, from the sources: build/docs/site
	@$(DOCS)/bin/python docs/site/build.py

$(QUALITY)/.ready: tests/quality/requirements.txt
	@mkdir -p $(@D) && tests/bootstrap $(QUALITY) $<
	@touch $@

quality: setup $(QUALITY)/.ready ## types of the plugins, the archive as Galaxy imports it, the execution environment, known vulnerabilities
	@PYTHONPATH="$(CURDIR)/tests" $(QUALITY)/bin/python tests/quality

$(AWS)/.ready: tests/aws/requirements.txt
	@mkdir -p $(@D) && tests/bootstrap $(AWS) $<
	@touch $@

secrets: setup $(AWS)/.ready ## secrets of one inventory from ansible-vault and from an emulator of AWS
	@$(AWS)/bin/python -m pytest tests/secrets -q $(if $(STAGE_JUNIT),--junit-xml="$(STAGE_JUNIT)/secrets.xml")

cloud: setup $(AWS)/.ready ## deploy/cloud on an emulator of EC2: made, made again, refused, taken away
	@$(AWS)/bin/python -m pytest tests/cloud -q $(if $(STAGE_JUNIT),--junit-xml="$(STAGE_JUNIT)/cloud.xml")

tidy: $(QUALITY)/.ready ## clang-tidy on the engine, by engine/.clang-tidy
	@PYTHONPATH="$(CURDIR)/tests:$(CURDIR)" $(QUALITY)/bin/python tests/engine/tidy.py

bundle: setup   ## for a control node without the internet: make bundle RELEASE=build/releases/… SIGN=KEY
	@$(RUN) $(PYTHON) bundle $(if $(RELEASE),--release "$(RELEASE)") $(if $(SIGN),--sign "$(SIGN)")

clean: lab-down lab-regions-down ## lab-down, and everything that was built
	docker volume rm --force hft_ops_lab_compiled
	rm -rf build .lab

# The only commands to know. `make demo` and `make test` work on a fresh clone with any Node that has npm:
# where it is too old to run TypeScript, the right one is fetched into .tools/ and used from there.

.DEFAULT_GOAL := help
.PHONY: help install demo practice up down reset check format docs test torture bench clean

NODE_VERSION := 24.21.0
NODE_OK := $(shell node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 18) ? 0 : 1)' 2>/dev/null && echo yes)
ifneq ($(NODE_OK),yes)
NODE_DIR := .tools/node-$(NODE_VERSION)
NODE := $(NODE_DIR)/bin/node
NODE_PACKAGE := node-linux-$(patsubst x86_64,x64,$(patsubst aarch64,arm64,$(shell uname -m)))
export PATH := $(CURDIR)/$(NODE_DIR)/bin:$(PATH)
endif
export NODE_COMPILE_CACHE ?= $(CURDIR)/.tools/compile-cache

INSTALLED := node_modules/.package-lock.json
BIN := node_modules/.bin

help: ## show these lines
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

install: $(INSTALLED) ## fetch Node where it is needed, and the packages
	@:

# Renamed into place, so that a fetch that is killed half way is not taken for a Node by the next one.
ifneq ($(NODE_OK),yes)
$(NODE):
	@case "$$(uname -s)" in Linux) ;; *) echo "Node $(NODE_VERSION) is needed: install it from https://nodejs.org" >&2; exit 1 ;; esac
	@echo "fetching Node $(NODE_VERSION) into .tools/"
	@mkdir -p .tools && new=$$(mktemp -d .tools/new.XXXXXX) && \
	npm install --prefix $$new --no-save --no-package-lock --loglevel=error $(NODE_PACKAGE)@$(NODE_VERSION) && \
	{ mv -T $$new/node_modules/$(NODE_PACKAGE) $(NODE_DIR) 2>/dev/null || test -x $@; } && rm -rf $$new
endif

# `tap build` belongs to every install: without it the first test run may load TypeScript by another loader.
$(INSTALLED): package-lock.json | $(NODE)
	@echo "installing packages"
	@npm ci
	@built=$$($(BIN)/tap build 2>&1) || { echo "$$built" >&2; rm -f $@; exit 1; }
	@touch $@

demo: install ## two districts, three nights, one held deletion; KEEP=1 stays up, LOG=kafka runs it on a broker
	@bin/rollcall demo $(if $(KEEP),--keep) $(if $(LOG),--log $(LOG))

practice: install ## a OneRoster API of a made-up district, to try pulling with; AUTH=oauth1 for the other way to sign in
	@node test/support/practice-server.ts $(AUTH)

COMPOSE := $(shell docker compose version >/dev/null 2>&1 && echo yes)

up: ## Kafka, a registry, PostgreSQL and every service: in Docker, or without it as local processes
ifeq ($(COMPOSE),yes)
	@docker compose up --build --detach --wait
	@docker compose ps
else
	@$(MAKE) --no-print-directory install
	@bin/rollcall stack up
endif

down: ## stop what `make up` started, and nothing else; its data stays
ifeq ($(COMPOSE),yes)
	@docker compose down
else
	@bin/rollcall stack down
endif

reset: ## stop what `make up` started, and drop its data
ifeq ($(COMPOSE),yes)
	@docker compose down --volumes
else
	@bin/rollcall stack reset
endif

check: install ## format, lint, types, tidiness
	@$(BIN)/oxfmt --check
	@$(BIN)/oxlint --deny-warnings
	@$(BIN)/tsc --noEmit -p .
	@$(BIN)/tap test/tidy.test.ts 'test/tidy/*.test.ts'

format: install ## write the format that `make check` asks for
	@$(BIN)/oxfmt

docs: install ## write the documents that are made from the sources
	@node test/support/write-docs.ts

test: $(if $(FILE),install,check) ## check, and run every test; with Java and Maven on a real Kafka too. FILE=test/x.test.ts: that one
ifeq ($(FILE),)
	@node libs/stack/artifacts.ts
	@$(BIN)/tap
else
	@TAP_TIMEOUT=600 node $(FILE)
endif

torture: install ## the long proofs in full: kills at random points, mutated sets, many seeds
	@TORTURE=1 $(BIN)/tap --timeout=1800 --jobs=1 'test/torture/*.test.ts'

bench: install ## the figures that the README quotes
	@for each in main login-to-roster kafka-rates idle sftp api; do node bench/$$each.ts || exit 1; done

clean: ## remove what make fetched; the next one fetches it again. Data in .rollcall stays
	@test ! -e .rollcall/stack/processes.json || bin/rollcall stack down
	@rm -rf node_modules .tap .tools

# make run    build and serve the demo, on an embedded Postgres unless DATABASE_URL is set
# make test   every test, browser tests included, and what they need
# make check  what CI checks beside the tests: lint, dead code, and that generated files are current
# make drills crashes, races and lost answers at full size, for hours; PERCENT=1 for a while
# make mutants PACKAGE=./internal/ledger   small changes to its code, and which of them no test notices
# make bench  every benchmark beside its baselines, in one table
.DEFAULT_GOAL := help
.PHONY: help run test drills mutants bench build setup setup-dev generate check lint deadcode screenshots clean

LINT := go tool -modfile=internal/tools/go.mod golangci-lint
GOTESTSUM := go tool -modfile=internal/tools/go.mod gotestsum
# RACE=-race looks for data races too; it needs a C compiler.
RACE ?=

help:
	@sed -n 's/^# make /make /p' Makefile

# exec: without a shell in between, Ctrl-C is a clean end and not an error of make's. With DATABASE_URL no Postgres is needed here.
run: build
	@[ -n "$$DATABASE_URL" ] || ./.ci/setup postgres
	@CREDITS_DEMO=$${CREDITS_DEMO-1} && export CREDITS_DEMO && exec bin/credits serve

build:
	@./.ci/build

# Everything the tests need that this machine lacks: Postgres, Chromium, axe-core from the npm registry, systemd's checks.
setup:
	@./.ci/setup postgres pgbouncer browser node npm stripe systemd docs

test: setup build
	@./.ci/test $(RACE)

drills: setup
	@./.ci/drills $(or $(PERCENT),100)

# SAMPLE=0 makes every change; ARGS takes further flags of internal/mutants.
mutants: setup
	@go run ./internal/mutants -sample $(or $(SAMPLE),60) -seed $(or $(SEED),1) $(ARGS) $(or $(PACKAGE),./internal/ledger)

bench: build
	@./.ci/setup postgres
	@bin/credits bench all

# What is generated and committed: templ's Go code, the stylesheet, the scripts, the fonts.
generate:
	@./.ci/setup node npm node20
	@go tool templ generate -log-level warn
	@npm --prefix static run --silent build

check: lint deadcode
	@./.ci/generated-is-current

lint:
	@go vet ./...
	@$(LINT) run ./...

# Functions that neither the program nor a test calls.
deadcode:
	@found=$$(go tool -modfile=internal/tools/go.mod deadcode -test ./...) || exit 1; \
	[ -z "$$found" ] || { echo "$$found"; exit 1; }

# The pictures of docs/screenshots, from a real browser on the real app.
screenshots: setup build
	@CREDITS_SCREENSHOTS=$(CURDIR)/docs/screenshots go test -count=1 -run '^TestScreenshots$$' ./internal/e2e

clean:
	@rm -rf bin static/node_modules

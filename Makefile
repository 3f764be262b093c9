# All commands of the project; `make help` lists them. They need make and Python 3.11 or newer.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
UV := $(shell command -v uv 2>/dev/null)
# The gateway of a running stack (make up), or else the local server.
stack_is_up := $(wildcard .data/stack/$(or $(GATEWAY_PORT),4566)/gateway-url)
API ?= $(if $(stack_is_up),$(shell cat $(stack_is_up)),http://127.0.0.1:8080)
CUSTOMER ?= customer-123
PERIOD ?= 2024-04
LEADS ?= 2000
SEED ?= 1

# Options of the commands below, if they are set.
port := $(if $(PORT),--port "$(PORT)")
data_dir := $(if $(DATA_DIR),--data-dir "$(DATA_DIR)")
workers := $(if $(WORKERS),--workers "$(WORKERS)")

# CUSTOMER if the user sets it, but not the default of `make report`.
given_customer := $(if $(filter-out file,$(origin CUSTOMER)),$(CUSTOMER))
# Not empty if `make import` uses a database and no API.
given_database := $(if $(filter-out file,$(origin API)),,$(DATA_DIR)$(DATABASE_URL))
# Not empty if scripts.manage calls the API: if API= is set or a stack is running. Else it uses the database.
over_http := $(or $(filter-out file,$(origin API)),$(if $(DATA_DIR)$(DATABASE_URL),,$(stack_is_up)))
manage = $(PY) -m scripts.manage $(if $(over_http),--api "$(API)",$(data_dir))

MADE_OF := Makefile scripts/stack/stack.mk
TARGETS := $(shell sed -n 's/^\([a-z][a-z0-9-]*\):.*\#\# .*/\1/p' $(MADE_OF))
.PHONY: $(TARGETS)

help: ## List the targets
	@echo "usage: make TARGET [NAME=value ...]"
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MADE_OF)

demo: $(VENV)/demo ## Start the API, bill the sample leads, serve until Ctrl-C (PORT=, DATA_DIR=, WORKERS=, ONCE=1)
	@$(PY) -m scripts.demo $(port) $(data_dir) $(workers) $(if $(ONCE),--once)

run: $(VENV)/demo ## Serve the API until Ctrl-C (PORT=8080, HOST=127.0.0.1, WORKERS= or one per core, DATA_DIR=.data/run or DATABASE_URL, OPEN_ACCESS=true for no key)
	@exec $(PY) -m scripts.local_server $(if $(HOST),--host "$(HOST)") $(port) $(data_dir) $(workers)

seed: $(VENV)/demo ## Send invented leads to a running API (LEADS=2000, SEED=1, UNTIL=2024-07-01, API=)
	@$(PY) -m scripts.seed --leads "$(LEADS)" --seed "$(SEED)" $(if $(UNTIL),--until "$(UNTIL)") --api "$(API)"

import: $(VENV)/demo ## Import a file of leads (FILE=leads.csv, MAP=a preset, a stored mapping or mapping.json, DRY_RUN=1, FROM_ROW=1; API=, DATA_DIR= or DATABASE_URL)
	@$(if $(FILE),,echo "Name the file: make import FILE=leads.csv" >&2; exit 2;)\
		$(PY) -m scripts.import_leads "$(FILE)" $(if $(MAP),--map "$(MAP)") $(if $(DRY_RUN),--dry-run) \
		$(if $(FROM_ROW),--from-row "$(FROM_ROW)") $(if $(given_database),$(data_dir),--api "$(API)")

export: $(VENV)/demo ## Export a month (KIND=lines|reports|invoices|verification, FORMAT=csv, PERIOD=2024-04, CUSTOMERS="acme,beta" or all, OUT=, API=)
	@$(PY) -m scripts.export_file "$(or $(KIND),lines)" "$(PERIOD)" \
		$(if $(FORMAT),--format "$(FORMAT)",$(if $(filter verification,$(KIND)),,--format csv)) \
		$(if $(CUSTOMERS),--customers "$(CUSTOMERS)") $(if $(DELIMITER),--delimiter "$(DELIMITER)") \
		$(if $(DECIMAL),--decimal "$(DECIMAL)") $(if $(OUT),--out "$(OUT)") --api "$(API)"

report: $(VENV)/demo ## Print a customer's report of a month (CUSTOMER=customer-123, PERIOD=2024-04, API=)
	@$(PY) -m scripts.report "$(CUSTOMER)" "$(PERIOD)" --api "$(API)"

close: $(VENV)/demo ## Make a month's reports final (PERIOD=2024-04, CUSTOMERS="acme,beta" or all, API=)
	@$(PY) -m scripts.close "$(PERIOD)" $(if $(CUSTOMERS),--customers "$(CUSTOMERS)") --api "$(API)"

close-due: $(VENV)/demo ## Close every month that ended GRACE_DAYS=3 days ago or earlier (a running stack, DATA_DIR= or DATABASE_URL)
	@$(if $(and $(stack_is_up),$(if $(DATA_DIR)$(DATABASE_URL),,none named)),\
		python3 -m scripts.stack close-due,\
		$(PY) -m scripts.close_due $(if $(GRACE_DAYS),--grace-days "$(GRACE_DAYS)") $(data_dir))

add-lead-type: $(VENV)/demo ## Add a lead type (NAME="Podcast", DATA_DIR= or DATABASE_URL)
	@$(PY) -m scripts.add_lead_type "$(NAME)" $(data_dir)

key-create: $(VENV)/demo ## Create an API key and show it once (NAME=, ROLE=ingest|viewer|viewer+people|admin, CUSTOMER= or all; DATA_DIR=)
	@$(manage) key-create --name "$(NAME)" --role "$(ROLE)" $(if $(given_customer),--customer "$(CUSTOMER)")

key-list: $(VENV)/demo ## List the API keys (a running stack, DATA_DIR= or DATABASE_URL)
	@$(manage) key-list

key-rotate: $(VENV)/demo ## Replace an API key by a new one (KEY=its id, OVERLAP_HOURS=24)
	@$(manage) key-rotate "$(KEY)" $(if $(OVERLAP_HOURS),--overlap-hours "$(OVERLAP_HOURS)")

key-revoke: $(VENV)/demo ## Revoke an API key (KEY=its id)
	@$(manage) key-revoke "$(KEY)"

verify-all: $(VENV)/demo ## Check every final report, signed head and audit entry; names what is wrong, and fails (DATA_DIR= or DATABASE_URL)
	@$(PY) -m scripts.verify_all $(data_dir)

rotate-signing-key: $(VENV)/demo ## Replace the key that final reports and heads are signed with (DATA_DIR= or DATABASE_URL)
	@$(PY) -m scripts.rotate_signing_key $(data_dir)

erase: $(VENV)/demo ## Erase a user and keep all totals (CUSTOMER=acme, USER=an email, phone or external id)
	@$(if $(and $(given_customer),$(filter command,$(firstword $(origin USER)))),\
		$(manage) erase --customer "$(CUSTOMER)" --user "$(USER)",\
		echo "Set both: make erase CUSTOMER=acme USER=ann@people.example" >&2; exit 2)

migrate: $(VENV)/demo ## Bring the schema up to date (a running stack, DATA_DIR= or DATABASE_URL)
	@$(if $(and $(stack_is_up),$(if $(DATA_DIR)$(DATABASE_URL),,none named)),\
		python3 -m scripts.stack migrate,$(PY) -m scripts.migrate $(data_dir))

test: $(VENV)/dev ## Run the tests on two processes (ARGS= for pytest)
	@echo "Running the tests"
	@$(PY) -m pytest -n 2 $(ARGS)

test-unit: $(VENV)/dev ## Run the tests that need no database, in seconds (ARGS= for pytest)
	@$(PY) -m pytest tests/unit tests/spec -k "not with_sql" $(ARGS)

test-processes: $(VENV)/dev ## Test servers and commands as processes, killed ones too, two minutes (ARGS= for pytest)
	@$(PY) -m pytest -n 2 tests/processes $(ARGS)

test-property: $(VENV)/dev ## Look for examples that break a rule, each time others (EXAMPLES=300, ARGS= for pytest)
	@HYPOTHESIS_EXAMPLES="$(or $(EXAMPLES),300)" $(PY) -m pytest -n 2 --timeout 1800 -m hypothesis $(ARGS)

test-console: $(VENV)/dev ## Test the console in a real browser (needs chromium and npm; ARGS= for pytest)
	@$(install_axe)
	@$(PY) -m pytest tests/console $(ARGS)

test-types: $(VENV)/dev ## Check that the TypeScript types of clients/ are current and compile (needs npm)
	@$(PY) -m scripts.clients --types

screenshots: $(VENV)/dev ## Take the pictures of docs/screenshots again (needs chromium, poppler-utils)
	@$(PY) -m tests.console.screenshots

test-faults: $(VENV)/dev ## Break things in the middle of batches, four minutes (WRITE=1 for docs/reliability.md, ARGS=)
	@echo "Breaking things in the middle of batches"
	@$(PY) -m pytest --timeout 900 -p no:cacheprovider $(or $(ARGS),--durations=0) tests/faults
	$(if $(WRITE),@$(PY) -m tests.faults.document)

test-tampering: $(VENV)/dev ## Edit the database as its owner could and see what is named, three minutes (WRITE=1 for docs/verification.md, ARGS=)
	@rm -rf .data/tampering
	@$(if $(WRITE),WRITE=1) $(PY) -m pytest -n 2 $(ARGS) tests/tampering
	$(if $(WRITE),@$(PY) -m tests.support.tampering_page)

mutants: $(VENV)/dev ## Break lines of the rules, access, ingestion, closing and Terraform, and see that tests notice (COUNT=100, SEED=1, KINDS=, WITHIN= seconds, WRITE=1)
	@$(PY) -m tests.mutants --count "$(or $(COUNT),100)" --seed "$(or $(SEED),1)" $(if $(KINDS),--kinds "$(KINDS)") \
		$(if $(WITHIN),--within "$(WITHIN)") $(if $(WRITE),--write)

check: $(VENV)/dev ## Check style, types, imports, migrations, shell scripts, make targets, generated docs and clients
	@echo "ruff: style and format"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@echo "mypy: types"
	@$(PY) -m mypy
	@echo "import-linter: the direction of imports"
	@$(VENV)/bin/lint-imports
	@echo "alembic: migrations match the models"
	@$(PY) -m scripts.migrate --check
	@echo "shellcheck: shell scripts"
	@git ls-files -z --cached --others --exclude-standard -- .ci/run '*.sh' | xargs -0 $(VENV)/bin/shellcheck
	@echo "make: every target has valid commands"
	@for target in $(filter-out check,$(TARGETS)); do $(MAKE) -n "$$target" > /dev/null || exit; done
	@echo "docs: generated files are current"
	@$(PY) -m scripts.generate_docs --check
	@$(PY) -m scripts.schema_diagram --check
	@echo "clients: generated files are current"
	@$(PY) -m scripts.clients --check

format: $(VENV)/dev ## Rewrite the code in the project's format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

audit: $(VENV)/dev ## Check locks, known vulnerabilities, secrets, the image and the workflows, and that these checks notice; write the SBOM
	@$(PY) -m scripts.supply_chain
	@$(PY) -m pytest tests/audit $(ARGS)

sbom: $(VENV)/dev ## Write a CycloneDX bill of materials per deployable to .data/sbom
	@$(PY) -m scripts.supply_chain --sbom

fuzz: $(VENV)/dev ## Send hostile input to a server that this command starts (FUZZ_SECONDS=60, FUZZ_SEED=1)
	@$(PY) -m fuzz $(if $(FUZZ_SECONDS),--seconds "$(FUZZ_SECONDS)") $(if $(FUZZ_SEED),--seed "$(FUZZ_SEED)")

bench-load: $(VENV)/dev ## Load a server with 16 clients (SECONDS=600, WRITE=1 for docs/reliability.md, OUT=)
	@$(PY) -m benchmarks.load --seconds "$(or $(SECONDS),600)" $(if $(OUT),--out "$(OUT)") $(if $(WRITE),--write)

bench: $(VENV)/dev ## Measure ingestion and reports, as ratios within one run
	@$(PY) -m benchmarks

samples: $(VENV)/dev ## Generate docs/samples, docs/database.dbml and the tables of the docs
	@$(PY) -m scripts.generate_docs
	@$(PY) -m scripts.schema_diagram

clients: $(VENV)/dev ## Generate what is generated of clients/ from the API's description
	@$(PY) -m scripts.clients

lock: $(VENV)/dev ## Generate every requirements.txt from pyproject.toml
	@$(call lock,dev,tests)
	@$(call lock,demo,scripts,--constraints tests/requirements.txt)
	@$(call lock,ingest,functions/ingest,--constraints tests/requirements.txt)
	@$(call lock,reports,services/reports,--constraints tests/requirements.txt)

release: $(VENV)/dev ## Check, test, date the changelog, commit and tag, without a push (VERSION=1.2.3)
	@$(PY) -m scripts.release "$(VERSION)"

clean: ## Remove the virtual environment, the caches and all local data (after make down)
	@if [ -n "$(stack_is_up)" ]; then echo "A stack is running: run make down first." >&2; exit 1; fi
	@echo "Removing $(VENV), .data and caches"
	@rm -rf $(VENV) .data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

include scripts/stack/stack.mk

# Installs axe, which finds violations of accessibility. Without npm, the tests that need axe are skipped.
define install_axe
if command -v npm > /dev/null; then \
	npm ci --prefix tests/console --ignore-scripts --no-audit --no-fund --silent; \
fi
endef

define lock
echo "Locking $(2)/requirements.txt" && $(or $(UV),$(VENV)/bin/uv) pip compile pyproject.toml --extra $(1) \
	--universal --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet \
	$(3) --output-file $(2)/requirements.txt
endef

# Sets $python to the first Python of at least 3.11 that can create an environment, or names what is missing.
define find_python
python=; no_venv=; \
for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || continue; \
	$(if $(UV),,"$$candidate" -c 'import venv, ensurepip' 2> /dev/null || { no_venv="$$candidate"; continue; };) \
	python="$$candidate"; break; \
done; \
if [ -z "$$python" ] && [ -n "$$no_venv" ]; then \
	echo "$$no_venv has no venv module: install it (Debian and Ubuntu: apt-get install python3-venv), or uv." >&2; exit 1; \
elif [ -z "$$python" ]; then \
	echo "Found no Python 3.11 or newer; set PYTHON=/path/to/python." >&2; exit 1; \
fi
endef

# Somebody may have removed the Python that created the environment.
ifeq ($(wildcard $(PY)),)
$(shell rm -f $(VENV)/created $(VENV)/demo $(VENV)/dev)
endif

# $(1): the lock. uv and pip both keep packages that the lock lacks, so demo and dev share $(VENV).
define install
$(if $(UV),$(UV) pip install --compile-bytecode --python $(PY),$(PY) -m pip install --quiet --disable-pip-version-check) --require-hashes -r $(1)
endef

$(VENV)/created:
	@$(find_python); \
	echo "Creating $(VENV) with $$("$$python" --version)"; \
	$(if $(UV),$(UV) venv --quiet --seed --clear --python "$$python" $(VENV),"$$python" -m venv --clear $(VENV))
	@touch $@

$(VENV)/demo: scripts/requirements.txt | $(VENV)/created
	@echo "Installing the packages of the demo (the first time takes a minute)"
	@$(call install,$<)
	@touch $@

$(VENV)/dev: tests/requirements.txt | $(VENV)/created
	@echo "Installing the packages for development (the first time takes a minute)"
	@$(call install,$<)
	@touch $(VENV)/demo $@

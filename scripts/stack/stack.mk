# The stack on this machine: Terraform and an emulator of AWS. The Makefile includes this file.
# EMULATOR=ministack|localstack  GATEWAY_PORT=4566  REPORTS_RUNTIME=fargate|lambda
# BASE_IMAGE=  POSTGRES_IMAGE=  LOCALSTACK_IMAGE=  TF_PLUGIN_MIRROR=

export EMULATOR GATEWAY_PORT REPORTS_RUNTIME BASE_IMAGE POSTGRES_IMAGE LOCALSTACK_IMAGE
export TF_PLUGIN_MIRROR LOCALSTACK_AUTH_TOKEN EVENT PART

stack := @python3 -m scripts.stack

STACK_TARGETS := up down preflight emulator image package tf-init tf-plan tf-apply tf-destroy replay-dlq \
	stack-migrate stack-seed stack-report address smoke invoke logs test-infra test-e2e test-compose \
	module-readmes
.PHONY: $(STACK_TARGETS)

up: ## Deploy everything on this machine, bill the sample, print the addresses (EMULATOR=, REPORTS_RUNTIME=)
	$(stack) up

down: ## Remove the stack and everything that it started
	$(stack) down

preflight: ## List what this machine lacks for the stack, with remedies
	$(stack) preflight

emulator: ## Start only the emulator of AWS
	$(stack) emulator

image: ## Build the reporting service's image
	$(stack) image

package: ## Build the functions' zips and print their sizes
	$(stack) package

tf-init: ## Install Terraform's provider and modules
	$(stack) tf-init

tf-plan: ## Show the changes that tf-apply would make
	$(stack) tf-plan

tf-apply: ## Deploy into the emulator
	$(stack) tf-apply

tf-destroy: ## Remove the deployment, but keep the emulator running
	$(stack) tf-destroy

stack-migrate: ## Bring the stack's schema up to date, as a one-off ECS task
	$(stack) migrate

stack-seed: ## Send the sample leads through the gateway
	$(stack) sample

stack-report: ## Fetch the sample's reports through the gateway
	$(stack) sample-report

address: ## Print the addresses of the stack
	$(stack) address

smoke: ## Send a request to every route through the gateway
	$(stack) smoke

invoke: ## Call the ingest function directly (EVENT=post_sample_leads, a file in functions/ingest/events)
	$(stack) invoke

replay-dlq: ## Move the dead letters back to the queue (of the stack, or DEAD_LETTERS_URL= and QUEUE_URL=)
	$(if $(and $(DEAD_LETTERS_URL),$(QUEUE_URL)),@$(PY) -m scripts.replay_dead_letters \
		"$(DEAD_LETTERS_URL)" "$(QUEUE_URL)",$(stack) replay-dlq)

logs: ## Print the logs of the stack (PART=gateway, ingest, queue, reports, migrate, close or verify)
	$(stack) logs

test-infra: ## Test the Terraform code without a cloud: format, validity, module tests, checkov
	$(stack) test-infra

test-e2e: $(VENV)/dev ## Test a whole stack: up, every route, a killed task, an empty plan, down
	@$(PY) -m pytest --timeout 1800 -p no:cacheprovider -p no:xdist -x -v tests/e2e/test_stack.py

test-compose: $(VENV)/dev ## Test `docker compose up`: the demo bills and answers, and nothing is left after down
	@$(PY) -m pytest --timeout 1800 -p no:cacheprovider -p no:xdist -x -v tests/e2e/test_compose.py

module-readmes: ## Generate the tables in the Terraform modules' READMEs
	$(stack) module-readmes

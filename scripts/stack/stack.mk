# The stack on this machine: Terraform on an emulator of AWS. Included by the Makefile.
# EMULATOR=ministack|localstack  GATEWAY_PORT=4566  REPORTS_RUNTIME=fargate|lambda
# BASE_IMAGE=  POSTGRES_IMAGE=  LOCALSTACK_IMAGE=  TF_PLUGIN_MIRROR=

export EMULATOR GATEWAY_PORT REPORTS_RUNTIME BASE_IMAGE POSTGRES_IMAGE LOCALSTACK_IMAGE
export TF_PLUGIN_MIRROR LOCALSTACK_AUTH_TOKEN EVENT PART

stack := @python3 -m scripts.stack

STACK_TARGETS := up down preflight emulator image package tf-init tf-plan tf-apply tf-destroy replay-dlq \
	stack-migrate stack-seed stack-report address smoke invoke logs test-infra test-e2e module-readmes
.PHONY: $(STACK_TARGETS)

up: ## Deploy everything locally, bill the sample, print the addresses (EMULATOR=, REPORTS_RUNTIME=)
	$(stack) up

down: ## Take the local stack away again, nothing left behind
	$(stack) down

preflight: ## Say what the local stack still needs and how to get it
	$(stack) preflight

emulator: ## Start the emulator of AWS alone
	$(stack) emulator

image: ## Build the reporting service's image
	$(stack) image

package: ## Build the functions' zips and print their sizes
	$(stack) package

tf-init: ## Get Terraform's provider and modules
	$(stack) tf-init

tf-plan: ## Show what tf-apply would change
	$(stack) tf-plan

tf-apply: ## Deploy into the emulator
	$(stack) tf-apply

tf-destroy: ## Take the deployment out of the emulator, which stays up
	$(stack) tf-destroy

stack-migrate: ## Bring the stack's schema up to date, as a one-off ECS task
	$(stack) migrate

stack-seed: ## Send the brief's sample through the gateway
	$(stack) sample

stack-report: ## Fetch the sample's reports through the gateway
	$(stack) sample-report

address: ## Print the addresses of the running stack
	$(stack) address

smoke: ## Try every route of the contract through the gateway
	$(stack) smoke

invoke: ## Call the ingest function directly (EVENT=post_sample_leads, a file of functions/ingest/events)
	$(stack) invoke

replay-dlq: ## Put the dead letters back on the queue (of the stack, or DEAD_LETTERS_URL= and QUEUE_URL=)
	$(if $(and $(DEAD_LETTERS_URL),$(QUEUE_URL)),@$(PY) -m scripts.replay_dead_letters \
		"$(DEAD_LETTERS_URL)" "$(QUEUE_URL)",$(stack) replay-dlq)

logs: ## Print the stack's logs (PART=gateway, ingest, queue, reports or migrate)
	$(stack) logs

test-infra: ## Test the Terraform without a cloud: format, validity, module tests, checkov
	$(stack) test-infra

test-e2e: $(VENV)/dev ## Test a whole stack: up, every route, a killed task, an empty plan, down
	@$(PY) -m pytest -p no:cacheprovider -p no:xdist -x -v tests/e2e

module-readmes: ## Write the tables of the Terraform modules' READMEs anew
	$(stack) module-readmes

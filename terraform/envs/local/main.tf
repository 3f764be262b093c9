data "aws_availability_zones" "available" {
  state = "available"
}

locals {
  runs_as_service = var.reports_runtime == "fargate"

  database_environment = {
    DATABASE_HOST = module.database.host
    DATABASE_PORT = tostring(module.database.port)
    DATABASE_NAME = module.database.database_name
  }

  function_environment = merge(local.database_environment, {
    MISSING_USER          = var.missing_user
    RATE_LIMIT_PER_SECOND = tostring(var.requests_per_second_of_a_key)
  })

  # Without it the service refuses exports (503). The reports function always does: it has no worker.
  files_environment = var.exports ? { FILE_STORE_BUCKET = module.files.bucket } : {}

  issuer_environment = {
    REPORT_ISSUER            = var.issuer.name
    REPORT_ISSUER_ADDRESS    = var.issuer.address
    REPORT_ISSUER_TAX_ID     = var.issuer.tax_id
    STATEMENT_NUMBER_PATTERN = var.issuer.number_pattern
  }
}

module "network" {
  source = "../../modules/network"

  name               = var.name
  availability_zones = slice(data.aws_availability_zones.available.names, 0, 2)
}

module "database" {
  source = "../../modules/database"

  name                   = var.name
  postgres_major_version = var.postgres_major_version
  subnet_ids             = module.network.private_subnet_ids
  security_group_ids     = [module.network.security_group_ids["database"]]
  password               = var.database_password
  function_password      = var.function_password
  service_password       = var.service_password
  user_hash_key          = var.user_hash_key
  google_key             = var.google_key
  multi_az               = false
  keep_on_destroy        = false
}

module "queue" {
  source = "../../modules/queue"

  name = "${var.name}-leads"
}

module "files" {
  source = "../../modules/file_store"

  name            = "${var.name}-files"
  keep_on_destroy = false
}

module "ingest" {
  source = "../../modules/lambda"

  name               = "${var.name}-ingest"
  description        = "POST /leads: stores leads"
  package_path       = var.ingest_package
  handler            = "functions.ingest.handler.handler"
  runtime            = var.lambda_runtime
  architecture       = var.architecture
  trace              = var.trace
  subnet_ids         = module.network.private_subnet_ids
  security_group_ids = [module.network.security_group_ids["functions"]]
  secret_arns        = [module.database.secret_arns["function"]]
  send_queue_arns    = [module.queue.arn]

  environment = merge(local.function_environment, {
    DATABASE_SECRET_ARN          = module.database.secret_arns["function"]
    QUEUE_URL                    = module.queue.url
    POWERTOOLS_SERVICE_NAME      = "lead-billing-ingest"
    POWERTOOLS_METRICS_NAMESPACE = "LeadBilling"
  })
}

# Uses the same zip, and stores the leads that the function could not store.
module "ingest_queue" {
  source = "../../modules/lambda"

  name               = "${var.name}-queue"
  description        = "Stores the leads of the spill queue"
  package_path       = var.ingest_package
  handler            = "functions.ingest.queue_worker.handler"
  runtime            = var.lambda_runtime
  architecture       = var.architecture
  trace              = var.trace
  subnet_ids         = module.network.private_subnet_ids
  security_group_ids = [module.network.security_group_ids["functions"]]
  secret_arns        = [module.database.secret_arns["function"]]
  send_queue_arns    = [module.queue.arn] # to requeue leads while the database is away
  concurrency_limit  = 2

  source_queue = {
    arn                        = module.queue.arn
    visibility_timeout_seconds = module.queue.visibility_timeout_seconds
  }

  environment = merge(local.function_environment, {
    DATABASE_SECRET_ARN          = module.database.secret_arns["function"]
    QUEUE_URL                    = module.queue.url
    POWERTOOLS_SERVICE_NAME      = "lead-billing-queue"
    POWERTOOLS_METRICS_NAMESPACE = "LeadBilling"
  })
}

# Uses the same zip. Posts what the worker signed, from outside the VPC.
module "webhooks" {
  source = "../../modules/lambda"

  name              = "${var.name}-webhooks"
  description       = "Posts events to webhooks"
  package_path      = var.ingest_package
  handler           = "functions.webhooks.handler.handler"
  runtime           = var.lambda_runtime
  architecture      = var.architecture
  trace             = var.trace
  concurrency_limit = 16
}

module "cluster" {
  source = "../../modules/ecs_cluster"

  name = "${var.name}-reports"
}

# The reporting image with the role that owns the tables. No other part signs in with this role.
module "migrate_task" {
  source = "../../modules/ecs_task"

  name         = "${var.name}-migrate"
  image        = var.reports_image
  architecture = var.architecture
  command      = ["python", "-m", "alembic", "upgrade", "head"]
  environment  = local.database_environment
  secret_arn   = module.database.secret_arns["migrations"]

  secret_fields = {
    DATABASE_USER     = "username"
    DATABASE_PASSWORD = "password"
    FUNCTION_PASSWORD = "function_password"
    SERVICE_PASSWORD  = "service_password"
  }
}

# The reporting image with the service's role. With both runtimes it also closes months and manages keys.
module "reports_task" {
  source = "../../modules/ecs_task"

  name         = "${var.name}-reports"
  image        = var.reports_image
  architecture = var.architecture
  secret_arn   = module.database.secret_arns["service"]

  trace_daemon_image   = var.trace_daemon_image
  invoke_function_arns = [module.webhooks.function_arn]

  # An export is written here, and then put into the bucket.
  file_arns      = module.files.export_arns
  scratch_folder = "/tmp"

  server = {
    health_command = ["CMD", "python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
  }

  environment = merge(local.database_environment, local.issuer_environment, local.files_environment, {
    MISSING_USER          = var.missing_user
    RATE_LIMIT_PER_SECOND = tostring(var.requests_per_second_of_a_key)
    CLOUDWATCH_METRICS    = "true"
    WEBHOOK_FUNCTION      = module.webhooks.function_name
    BACKGROUND_WORK       = "true"
  })

  secret_fields = {
    DATABASE_USER     = "username"
    DATABASE_PASSWORD = "password"
    USER_HASH_KEY     = "user_hash_key"
  }
}

# Closes the previous month with the reporting image, with both runtimes.
module "close_schedule" {
  source = "../../modules/close_schedule"

  name                = "${var.name}-close"
  grace_days          = var.close_grace_days
  command             = ["python", "-m", "services.reports.close_due", "--grace-days", "{grace_days}"]
  cluster_arn         = module.cluster.arn
  task_definition_arn = module.reports_task.task_definition_arn
  task_role_arns      = module.reports_task.role_arns
  container_name      = module.reports_task.container_name
  subnet_ids          = module.network.private_subnet_ids
  security_group_ids  = [module.network.security_group_ids["reports"]]
}

module "reports_service" {
  source = "../../modules/ecs_service"
  count  = local.runs_as_service ? 1 : 0

  name                             = "${var.name}-reports"
  cluster_arn                      = module.cluster.arn
  cluster_name                     = module.cluster.name
  task_definition_arn              = module.reports_task.task_definition_arn
  container_name                   = module.reports_task.container_name
  vpc_id                           = module.network.vpc_id
  subnet_ids                       = module.network.private_subnet_ids
  security_group_ids               = [module.network.security_group_ids["reports"]]
  load_balancer_security_group_ids = [module.network.security_group_ids["load_balancer"]]
  task_count                       = 1
  keep_on_destroy                  = false
  autoscaling                      = var.autoscaling ? { min_tasks = 1, max_tasks = 3, cpu_percent = 60 } : null
}

module "reports_function" {
  source = "../../modules/lambda"
  count  = local.runs_as_service ? 0 : 1

  name               = "${var.name}-reports"
  description        = "All routes except POST /leads: reports, customers, products"
  package_path       = var.reports_package
  handler            = "services.reports.app.lambda_handler"
  runtime            = var.lambda_runtime
  architecture       = var.architecture
  trace              = var.trace
  subnet_ids         = module.network.private_subnet_ids
  security_group_ids = [module.network.security_group_ids["functions"]]
  secret_arns        = [module.database.secret_arns["service"]]

  invoke_function_arns = [module.webhooks.function_arn]

  environment = merge(local.function_environment, local.issuer_environment, {
    DATABASE_SECRET_ARN = module.database.secret_arns["service"]
    CLOUDWATCH_METRICS  = "true"
    WEBHOOK_FUNCTION    = module.webhooks.function_name
  })
}

module "api_gateway" {
  source = "../../modules/api_gateway"

  name = var.name

  ingest_function = {
    name       = module.ingest.function_name
    invoke_arn = module.ingest.invoke_arn
  }

  reports_service = local.runs_as_service ? {
    listener_arn       = module.reports_service[0].listener_arn
    subnet_ids         = module.network.private_subnet_ids
    security_group_ids = [module.network.security_group_ids["gateway_link"]]
  } : null

  reports_function = local.runs_as_service ? null : {
    name       = module.reports_function[0].function_name
    invoke_arn = module.reports_function[0].invoke_arn
  }
}

module "observability" {
  source = "../../modules/observability"

  name                = var.name
  api_id              = module.api_gateway.api_id
  function_names      = concat([module.ingest.function_name, module.ingest_queue.function_name, module.webhooks.function_name], module.reports_function[*].function_name)
  queue_name          = "${var.name}-leads"
  database_identifier = module.database.identifier
}

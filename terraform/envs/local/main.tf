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
    MISSING_USER                = var.missing_user
    RATE_LIMIT_UNITS_PER_MINUTE = tostring(var.units_per_minute_of_a_key)
  })

  # What closes a month, by hand or on schedule, and sends its statements.
  closing_environment = merge(local.database_environment, local.issuer_environment, module.mail.environment, {
    MISSING_USER       = var.missing_user
    CLOUDWATCH_METRICS = "true"
  })

  service_secret_fields = {
    DATABASE_USER     = "username"
    DATABASE_PASSWORD = "password"
    USER_HASH_KEY     = "user_hash_key"
  }

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

module "data_key" {
  source = "../../modules/encryption_key"

  name        = "${var.name}-data"
  description = "Encrypts the database, its secrets and the files"
  services    = ["rds", "s3", "secretsmanager"]
}

module "message_key" {
  source = "../../modules/encryption_key"

  name        = "${var.name}-messages"
  description = "Encrypts queues and topics"
  services    = ["sns", "sqs"]
  senders     = ["events.amazonaws.com", "ses.amazonaws.com", "sns.amazonaws.com", "s3.amazonaws.com"]
}

module "database" {
  source = "../../modules/database"

  name                   = var.name
  postgres_major_version = var.postgres_major_version
  subnet_ids             = module.network.private_subnet_ids
  security_group_ids     = [module.network.security_group_ids["database"]]
  kms_key_arn            = module.data_key.arn
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

  name        = "${var.name}-leads"
  kms_key_arn = module.message_key.arn
}

module "files" {
  source = "../../modules/file_store"

  name            = "${var.name}-files"
  kms_key_arn     = module.data_key.arn
  keep_on_destroy = false
  incoming_queue  = { arn = module.incoming_files.arn }
  upload_origins  = [var.emulator_url]
}

# S3 tells this queue of files to import. A message fails while the database is away, and is then
# delivered again every three minutes, for twelve hours.
module "incoming_files" {
  source = "../../modules/queue"

  name              = "${var.name}-incoming-files"
  kms_key_arn       = module.message_key.arn
  max_receive_count = 240
  source_bucket     = { arn = module.files.bucket_arn }
}

# Uses the zip of the ingest function. Notes each file; the background worker imports it.
module "imports" {
  source = "../../modules/lambda"

  name               = "${var.name}-imports"
  description        = "Notes the files that arrive in the bucket"
  package_path       = var.ingest_package
  handler            = "functions.imports.handler.handler"
  runtime            = var.lambda_runtime
  architecture       = var.architecture
  trace              = var.trace
  subnet_ids         = module.network.private_subnet_ids
  security_group_ids = [module.network.security_group_ids["functions"]]
  secret_arns        = [module.database.secret_arns["function"]]
  concurrency_limit  = 2

  source_queue = {
    arn                        = module.incoming_files.arn
    visibility_timeout_seconds = module.incoming_files.visibility_timeout_seconds
  }

  environment = merge(local.function_environment, {
    DATABASE_SECRET_ARN     = module.database.secret_arns["function"]
    POWERTOOLS_SERVICE_NAME = "lead-billing-imports"
  })
}

module "mail" {
  source = "../../modules/mail"

  name         = "${var.name}-mail"
  from_address = var.mail_from
  kms_key_arn  = module.message_key.arn
}

module "proof" {
  source = "../../modules/proof"
  count  = var.signatures ? 1 : 0

  name            = var.name
  signer_role_arn = module.close_task.task_role_arn
  kms_key_arn     = module.data_key.arn
  retention_days  = 1
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

# The reporting image with the service's role. With both runtimes it also manages keys.
module "reports_task" {
  source = "../../modules/ecs_task"

  name          = "${var.name}-reports"
  image         = var.reports_image
  architecture  = var.architecture
  secret_arn    = module.database.secret_arns["service"]
  secret_fields = local.service_secret_fields

  trace_daemon_image   = var.trace_daemon_image
  invoke_function_arns = [module.webhooks.function_arn]
  permissions          = concat(module.mail.send_permissions, module.files.take_permissions)

  # An export is written here, and then put into the bucket; a file to import is read from here.
  file_arns      = concat(module.files.export_arns, module.files.upload_arns)
  scratch_folder = "/tmp"

  server = {
    health_command = ["CMD", "python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
  }

  environment = merge(local.closing_environment, {
    RATE_LIMIT_UNITS_PER_MINUTE = tostring(var.units_per_minute_of_a_key)
    FILE_STORE_BUCKET           = module.files.bucket # the reports function has none: no worker runs beside it
    WEBHOOK_FUNCTION            = module.webhooks.function_name
    BACKGROUND_WORK             = "true"
  })
}

# Closes months and signs what was closed. No other task signs.
module "close_task" {
  source = "../../modules/ecs_task"

  name          = "${var.name}-close"
  image         = var.reports_image
  architecture  = var.architecture
  command       = ["python", "-m", "services.reports.seal"]
  secret_arn    = module.database.secret_arns["service"]
  secret_fields = local.service_secret_fields
  permissions   = flatten(module.proof[*].seal_permissions)

  environment = merge(local.closing_environment, [
    for proof in module.proof : { SIGNING_KMS_KEY = proof.signing_key_arn, HEADS_BUCKET = proof.heads_bucket }
  ]...)
}

# Checks every final report and head. It can read the heads, and neither write them nor sign.
module "verify_task" {
  source = "../../modules/ecs_task"

  name          = "${var.name}-verify"
  image         = var.reports_image
  architecture  = var.architecture
  command       = ["python", "-m", "services.reports.verify_all"]
  secret_arn    = module.database.secret_arns["service"]
  secret_fields = local.service_secret_fields
  permissions   = flatten(module.proof[*].check_permissions)

  environment = merge(local.database_environment, [
    for proof in module.proof : { HEADS_BUCKET = proof.heads_bucket }
  ]...)
}

module "close_schedule" {
  source = "../../modules/scheduled_task"

  name                = "${var.name}-close"
  description         = "Closes the previous month, ${var.close_grace_days} days after its end"
  schedule_expression = "cron(30 12 ${1 + var.close_grace_days} * ? *)" # 12:30 UTC: the day has begun in every time zone
  command             = ["python", "-m", "services.reports.close_due", "--grace-days", tostring(var.close_grace_days)]
  cluster_arn         = module.cluster.arn
  task_definition_arn = module.close_task.task_definition_arn
  task_role_arns      = module.close_task.role_arns
  container_name      = module.close_task.container_name
  subnet_ids          = module.network.private_subnet_ids
  security_group_ids  = [module.network.security_group_ids["reports"]]
  kms_key_arn         = module.message_key.arn
}

# Signs what was closed by hand.
module "seal_schedule" {
  source = "../../modules/scheduled_task"
  count  = var.signatures ? 1 : 0

  name                = "${var.name}-seal"
  description         = "Signs final reports that are not signed yet"
  schedule_expression = "cron(45 2 * * ? *)"
  command             = ["python", "-m", "services.reports.seal"]
  cluster_arn         = module.cluster.arn
  task_definition_arn = module.close_task.task_definition_arn
  task_role_arns      = module.close_task.role_arns
  container_name      = module.close_task.container_name
  subnet_ids          = module.network.private_subnet_ids
  security_group_ids  = [module.network.security_group_ids["reports"]]
  kms_key_arn         = module.message_key.arn
}

module "verify_schedule" {
  source = "../../modules/scheduled_task"

  name                = "${var.name}-verify"
  description         = "Checks every final report and signed head"
  schedule_expression = "cron(15 3 * * ? *)"
  command             = ["python", "-m", "services.reports.verify_all"]
  cluster_arn         = module.cluster.arn
  task_definition_arn = module.verify_task.task_definition_arn
  task_role_arns      = module.verify_task.role_arns
  container_name      = module.verify_task.container_name
  subnet_ids          = module.network.private_subnet_ids
  security_group_ids  = [module.network.security_group_ids["reports"]]
  kms_key_arn         = module.message_key.arn
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
  function_names      = concat([module.ingest.function_name, module.ingest_queue.function_name, module.webhooks.function_name, module.imports.function_name], module.reports_function[*].function_name)
  queue_name          = "${var.name}-leads"
  database_identifier = module.database.identifier
}

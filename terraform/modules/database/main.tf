resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  name        = "${var.name}-postgres${var.postgres_major_version}"
  family      = "postgres${var.postgres_major_version}"
  description = "PostgreSQL ${var.postgres_major_version} of ${var.name}"

  parameter {
    name  = "log_min_duration_statement"
    value = tostring(var.slow_statement_milliseconds)
  }

  # A failed statement and its row contain personal data, so PostgreSQL must not log them.
  parameter {
    name  = "log_min_error_statement"
    value = "panic"
  }

  parameter {
    name  = "log_error_verbosity"
    value = "terse"
  }

  # Refuse connections without TLS.
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  # A new major version needs its new group before AWS can delete the old group.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "this" {
  identifier = var.name

  engine                     = "postgres"
  engine_version             = tostring(var.postgres_major_version)
  auto_minor_version_upgrade = true
  parameter_group_name       = aws_db_parameter_group.this.name
  apply_immediately          = true

  instance_class        = var.instance_class
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn
  allocated_storage     = var.storage_gibibytes
  max_allocated_storage = var.storage_gibibytes * 5

  db_name             = var.database_name
  username            = var.username
  password_wo         = var.password
  password_wo_version = var.password_version

  multi_az               = var.multi_az
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = var.security_group_ids
  publicly_accessible    = false

  backup_retention_period   = var.backup_retention_days
  copy_tags_to_snapshot     = true
  deletion_protection       = var.keep_on_destroy
  skip_final_snapshot       = !var.keep_on_destroy
  final_snapshot_identifier = var.keep_on_destroy ? "${var.name}-final" : null

  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
}

locals {
  # The credentials of each part. common/database/grants.py has the roles of function and service. The migrations
  # need no user hash key; they set the passwords of the other two roles.
  sign_ins = {
    migrations = {
      username          = var.username
      password          = var.password
      function_password = var.function_password
      service_password  = var.service_password
    }
    function = {
      username      = "lead_billing_function"
      password      = var.function_password
      user_hash_key = var.user_hash_key
      google_key    = var.google_key
    }
    service = {
      username      = "lead_billing_service"
      password      = var.service_password
      user_hash_key = var.user_hash_key
    }
  }
}

resource "aws_secretsmanager_secret" "this" {
  for_each = toset(["migrations", "function", "service"])

  name                    = "${var.name}/database/${each.key}"
  description             = "PostgreSQL credentials of the ${each.key}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.keep_on_destroy ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = aws_secretsmanager_secret.this

  secret_id                = each.value.id
  secret_string_wo         = jsonencode(local.sign_ins[each.key])
  secret_string_wo_version = var.password_version
}

resource "aws_cloudwatch_metric_alarm" "storage" {
  alarm_name          = "${var.name}-database-storage"
  alarm_description   = "Less than ${var.free_storage_alarm_percent}% of the database's storage is free. Runbook: docs/runbooks/database-storage.md"
  namespace           = "AWS/RDS"
  metric_name         = "FreeStorageSpace"
  dimensions          = { DBInstanceIdentifier = aws_db_instance.this.identifier }
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = var.storage_gibibytes * 1073741824 * var.free_storage_alarm_percent / 100
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "missing"
  alarm_actions       = var.alarm_topic_arns
}

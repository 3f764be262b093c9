mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "test"
  subnet_ids         = ["subnet-1", "subnet-2"]
  security_group_ids = ["sg-1"]
  kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/data"
  password           = "a-long-enough-password"
  function_password  = "the-functions-password"
  service_password   = "the-services-password"
  user_hash_key      = "0123456789abcdef0123456789abcdef"
  google_key         = "a-key-of-google-ads"
}

run "is_private_encrypted_and_backed_up" {
  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == var.kms_key_arn
    error_message = "The database must be private, and encrypted with the given key."
  }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.kms_key_id == var.kms_key_arn])
    error_message = "Secrets must be encrypted with the given key."
  }

  assert {
    condition     = aws_db_instance.this.backup_retention_period == 14 && aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot
    error_message = "Bills must survive a mistake."
  }

  assert {
    condition     = contains([for p in aws_db_parameter_group.this.parameter : "${p.name}=${p.value}"], "rds.force_ssl=1")
    error_message = "PostgreSQL must refuse connections without TLS."
  }
}

run "keeps_secrets_out_of_the_state" {
  assert {
    condition     = aws_db_instance.this.password == null && alltrue([for version in aws_secretsmanager_secret_version.this : version.secret_string == null])
    error_message = "The state contains a secret."
  }
}

run "gives_each_part_its_own_secret" {
  assert {
    condition     = toset([for secret in aws_secretsmanager_secret.this : secret.name]) == toset(["test/database/migrations", "test/database/function", "test/database/service"])
    error_message = "Two parts share a secret."
  }

  assert {
    condition     = toset(keys(output.secret_arns)) == toset(["migrations", "function", "service"])
    error_message = "A part has no secret."
  }
}

run "warns_when_a_fifth_of_the_storage_is_left" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.storage.threshold == 4 * 1024 * 1024 * 1024
    error_message = "The threshold must be 4 GiB, which is 20% of 20 GiB."
  }
}

run "refuses_a_postgres_that_is_too_old" {
  command = plan

  variables {
    postgres_major_version = 14
  }

  expect_failures = [var.postgres_major_version]
}

run "refuses_zero_days_of_backups" {
  command = plan

  variables {
    backup_retention_days = 0
  }

  expect_failures = [var.backup_retention_days]
}

run "refuses_a_password_rds_would_refuse" {
  command = plan

  variables {
    password = "with/a/slash/in/it"
  }

  expect_failures = [var.password]
}

run "refuses_a_short_password_of_a_role" {
  command = plan

  variables {
    function_password = "short"
    service_password  = "short"
  }

  expect_failures = [var.function_password, var.service_password]
}

run "refuses_a_short_user_hash_key" {
  command = plan

  variables {
    user_hash_key = "short"
  }

  expect_failures = [var.user_hash_key]
}

run "refuses_a_short_google_key" {
  command = plan

  variables {
    google_key = "short"
  }

  expect_failures = [var.google_key]
}

run "logs_no_failed_statement" {
  assert {
    condition     = length([for p in aws_db_parameter_group.this.parameter : p if(p.name == "log_min_error_statement" && p.value == "panic") || (p.name == "log_error_verbosity" && p.value == "terse")]) == 2
    error_message = "A failed statement contains personal data."
  }
}

run "gives_each_part_its_own_password" {
  assert {
    condition     = nonsensitive(local.sign_ins.migrations) == { username = "lead_billing", password = "a-long-enough-password", function_password = "the-functions-password", service_password = "the-services-password" }
    error_message = "The migrations signs in with something else than its own credentials."
  }

  assert {
    condition     = nonsensitive(local.sign_ins.function) == { username = "lead_billing_function", password = "the-functions-password", user_hash_key = "0123456789abcdef0123456789abcdef", google_key = "a-key-of-google-ads" }
    error_message = "The function signs in with something else than its own credentials."
  }

  assert {
    condition     = nonsensitive(local.sign_ins.service) == { username = "lead_billing_service", password = "the-services-password", user_hash_key = "0123456789abcdef0123456789abcdef" }
    error_message = "The service signs in with something else than its own credentials."
  }
}

run "passes_its_variables_on" {
  variables {
    postgres_major_version      = 17
    instance_class              = "db.m7g.large"
    storage_gibibytes           = 40
    database_name               = "other"
    username                    = "other_owner"
    password_version            = 3
    backup_retention_days       = 21
    slow_statement_milliseconds = 750
    free_storage_alarm_percent  = 10
    alarm_topic_arns            = ["arn:aws:sns:eu-central-1:123456789012:alarms"]
  }

  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.auto_minor_version_upgrade && aws_db_instance.this.apply_immediately && aws_db_instance.this.copy_tags_to_snapshot
    error_message = "The database must stand in two zones, and be updated."
  }

  assert {
    condition     = [aws_db_instance.this.identifier, aws_db_instance.this.engine_version, aws_db_instance.this.instance_class, aws_db_instance.this.db_name, aws_db_instance.this.username] == ["test", "17", "db.m7g.large", "other", "other_owner"]
    error_message = "The database is another."
  }

  assert {
    condition     = aws_db_instance.this.allocated_storage == 40 && aws_db_instance.this.max_allocated_storage == 200
    error_message = "The storage has another size."
  }

  assert {
    condition     = aws_db_instance.this.password_wo_version == 3 && alltrue([for version in aws_secretsmanager_secret_version.this : version.secret_string_wo_version == 3])
    error_message = "A new password would not be written."
  }

  assert {
    condition     = aws_db_instance.this.backup_retention_period == 21 && aws_db_instance.this.final_snapshot_identifier == "test-final" && alltrue([for secret in aws_secretsmanager_secret.this : secret.recovery_window_in_days == 30])
    error_message = "What is deleted cannot be had back."
  }

  assert {
    condition     = toset(aws_db_instance.this.vpc_security_group_ids) == toset(var.security_group_ids) && toset(aws_db_subnet_group.this.subnet_ids) == toset(var.subnet_ids) && aws_db_subnet_group.this.name == "test"
    error_message = "The database stands in another network."
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "postgres17" && contains([for p in aws_db_parameter_group.this.parameter : "${p.name}=${p.value}"], "log_min_duration_statement=750")
    error_message = "The parameters are others."
  }

  assert {
    condition     = [aws_cloudwatch_metric_alarm.storage.threshold, aws_cloudwatch_metric_alarm.storage.period, aws_cloudwatch_metric_alarm.storage.evaluation_periods, aws_cloudwatch_metric_alarm.storage.statistic, aws_cloudwatch_metric_alarm.storage.comparison_operator, aws_cloudwatch_metric_alarm.storage.treat_missing_data] == [40 * 1024 * 1024 * 1024 * 10 / 100, 300, 1, "Minimum", "LessThanThreshold", "missing"]
    error_message = "The alarm storage goes off too early or too late."
  }

  assert {
    condition     = tolist(aws_cloudwatch_metric_alarm.storage.alarm_actions) == tolist(var.alarm_topic_arns)
    error_message = "An alarm reaches nobody."
  }
}

run "stands_in_one_zone_where_that_is_asked_for" {
  variables {
    multi_az = false
  }

  assert {
    condition     = !aws_db_instance.this.multi_az
    error_message = "The variable has no effect."
  }
}

run "leaves_nothing_behind_where_that_is_asked_for" {
  variables {
    keep_on_destroy = false
  }

  assert {
    condition     = !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.final_snapshot_identifier == null && alltrue([for secret in aws_secretsmanager_secret.this : secret.recovery_window_in_days == 0])
    error_message = "A stack for a try must go at once."
  }
}

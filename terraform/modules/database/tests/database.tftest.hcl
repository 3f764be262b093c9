mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "test"
  subnet_ids         = ["subnet-1", "subnet-2"]
  security_group_ids = ["sg-1"]
  password           = "a-long-enough-password"
  function_password  = "the-functions-password"
  service_password   = "the-services-password"
  user_hash_key      = "0123456789abcdef0123456789abcdef"
  google_key         = "a-key-of-google-ads"
}

run "is_private_encrypted_and_backed_up" {
  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.storage_encrypted
    error_message = "The database must be private and encrypted."
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

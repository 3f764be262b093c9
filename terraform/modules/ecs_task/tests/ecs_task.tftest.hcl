mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name          = "test-reports"
  image         = "reports:0123456789ab"
  secret_arn    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:one"
  server        = { health_command = ["CMD", "true"] }
  environment   = { DATABASE_HOST = "db" }
  secret_fields = { DATABASE_PASSWORD = "password" }
}

run "starts_read_only_with_secrets_by_reference" {
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem
    error_message = "The container's root must be read-only."
  }

  assert {
    condition = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets == [
      { name = "DATABASE_PASSWORD", valueFrom = "${var.secret_arn}:password::" }
    ]
    error_message = "The definition must refer to the password, not contain it."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 30
    error_message = "A stopping container needs 30 seconds to finish its requests."
  }
}

run "allows_ecs_only_to_start_the_container" {
  assert {
    condition = toset(flatten([for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : s.Action])) == toset([
      "logs:CreateLogStream", "logs:PutLogEvents", "secretsmanager:GetSecretValue",
    ])
    error_message = "The execution role allows other actions."
  }

  assert {
    condition = one([
      for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : s.Resource if s.Sid == "ReadSecret"
    ]) == [var.secret_arn]
    error_message = "The execution role can read other secrets."
  }
}

run "runs_a_command_without_a_server" {
  variables {
    server  = null
    command = ["python", "-m", "alembic", "upgrade", "head"]
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["python", "-m", "alembic", "upgrade", "head"]
    error_message = "The container must run the given command."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].portMappings == [] && !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck)
    error_message = "A task that ends by itself has no port and no health check."
  }
}

run "has_a_port_and_a_health_check" {
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].portMappings[0].containerPort == 8000 && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command == ["CMD", "true"]
    error_message = "ECS needs the port and the health check."
  }

  assert {
    condition     = !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command)
    error_message = "The container must run the image's own command."
  }
}

run "pulls_only_from_the_given_repository" {
  variables {
    repository_arn = "arn:aws:ecr:eu-central-1:123456789012:repository/reports"
  }

  assert {
    condition = one([
      for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : s.Resource if s.Sid == "PullImage"
    ]) == [var.repository_arn]
    error_message = "The execution role can read other repositories."
  }
}

run "refuses_an_image_that_can_change" {
  command = plan

  variables {
    image = "reports:latest"
  }

  expect_failures = [var.image]
}

run "refuses_a_size_that_fargate_lacks" {
  command = plan

  variables {
    cpu_units = 300
  }

  expect_failures = [var.cpu_units]
}

run "sends_no_traces_without_a_daemon" {
  assert {
    condition     = length(jsondecode(aws_ecs_task_definition.this.container_definitions)) == 1 && length(aws_iam_role_policy.traces) == 0 && contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "TRACE", value = "false" })
    error_message = "Traces must be off without a daemon."
  }
}

run "runs_the_given_trace_daemon" {
  variables {
    trace_daemon_image = "xray-daemon:3"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[1].image == "xray-daemon:3" && !jsondecode(aws_ecs_task_definition.this.container_definitions)[1].essential
    error_message = "The daemon must run, and must not be essential."
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "TRACE", value = "true" })
    error_message = "The container must send traces."
  }

  assert {
    condition     = toset(jsondecode(aws_iam_role_policy.traces["send-traces"].policy).Statement[0].Action) == toset(["xray:PutTelemetryRecords", "xray:PutTraceSegments"])
    error_message = "The task role must allow only to send traces."
  }
}

run "calls_only_the_given_functions" {
  variables {
    invoke_function_arns = ["arn:aws:lambda:eu-central-1:123456789012:function:webhooks"]
  }

  assert {
    condition = tolist(one([
      for s in jsondecode(aws_iam_role_policy.functions["call-functions"].policy).Statement : s.Resource
    ])) == tolist(var.invoke_function_arns)
    error_message = "The container can call other functions."
  }
}

run "writes_nowhere_and_keeps_no_files_unless_it_is_told" {
  assert {
    condition     = length(aws_iam_role_policy.files) == 0 && length(aws_ecs_task_definition.this.volume) == 0
    error_message = "A container must not write anywhere by default."
  }
}

run "keeps_only_the_given_files_and_writes_in_the_given_folder" {
  variables {
    file_arns      = ["arn:aws:s3:::files/exports/*"]
    scratch_folder = "/tmp"
  }

  assert {
    condition     = tolist(jsondecode(aws_iam_role_policy.files["keep-files"].policy).Statement[0].Resource) == tolist(var.file_arns)
    error_message = "The container can reach other files."
  }

  assert {
    condition = toset(jsondecode(aws_iam_role_policy.files["keep-files"].policy).Statement[0].Action) == toset([
      "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject",
    ])
    error_message = "The container can do more with files than put, get and delete them."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].mountPoints[0].containerPath == "/tmp" && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem
    error_message = "Only the scratch folder may be writable."
  }
}

run "may_do_what_it_is_given_and_no_more" {
  variables {
    permissions = [
      { sid = "Sign", actions = ["kms:Sign"], resources = ["arn:aws:kms:eu-central-1:123456789012:key/signing"] },
      {
        sid       = "SendMails"
        actions   = ["ses:SendEmail"]
        resources = ["arn:aws:ses:eu-central-1:123456789012:identity/acme.example"]
        condition = { StringEquals = { "ses:FromAddress" = "billing@acme.example" } }
      },
    ]
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.permissions["permissions"].policy).Statement == [
      { Sid = "Sign", Effect = "Allow", Action = ["kms:Sign"], Resource = ["arn:aws:kms:eu-central-1:123456789012:key/signing"] },
      {
        Sid       = "SendMails"
        Effect    = "Allow"
        Action    = ["ses:SendEmail"]
        Resource  = ["arn:aws:ses:eu-central-1:123456789012:identity/acme.example"]
        Condition = { StringEquals = { "ses:FromAddress" = "billing@acme.example" } }
      },
    ]
    error_message = "The container must get these permissions alone."
  }
}

run "has_no_permission_of_its_own" {
  assert {
    condition     = length(aws_iam_role_policy.permissions) == 0
    error_message = "A container may do nothing by default."
  }
}

run "refuses_a_permission_for_every_action" {
  command = plan

  variables {
    permissions = [{ sid = "All", actions = ["kms:*"], resources = ["arn:aws:kms:eu-central-1:123456789012:key/signing"] }]
  }

  expect_failures = [var.permissions]
}

run "refuses_the_files_of_a_whole_bucket" {
  command = plan

  variables {
    file_arns = ["arn:aws:s3:::files/*"]
  }

  expect_failures = [var.file_arns]
}

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
    error_message = "The password must come by reference."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 30
    error_message = "Requests under way need their time."
  }
}

run "may_start_and_nothing_more" {
  assert {
    condition = toset(flatten([for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : s.Action])) == toset([
      "logs:CreateLogStream", "logs:PutLogEvents", "secretsmanager:GetSecretValue",
    ])
    error_message = "The execution role allows something else."
  }

  assert {
    condition = one([
      for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : s.Resource if s.Sid == "ReadItsSecret"
    ]) == [var.secret_arn]
    error_message = "Another part's secret can be read."
  }
}

run "runs_a_command_of_its_own_and_serves_nobody" {
  variables {
    server  = null
    command = ["python", "-m", "alembic", "upgrade", "head"]
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["python", "-m", "alembic", "upgrade", "head"]
    error_message = "The image's own command would run."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].portMappings == [] && !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck)
    error_message = "A task that ends by itself has nobody to answer."
  }
}

run "serves_on_its_port_and_says_whether_it_answers" {
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].portMappings[0].containerPort == 8000 && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck.command == ["CMD", "true"]
    error_message = "Nobody would notice that it no longer answers."
  }

  assert {
    condition     = !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command)
    error_message = "The image knows how it serves."
  }
}

run "pulls_from_one_repository_when_there_is_one" {
  variables {
    repository_arn = "arn:aws:ecr:eu-central-1:123456789012:repository/reports"
  }

  assert {
    condition = one([
      for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : s.Resource if s.Sid == "PullTheImage"
    ]) == [var.repository_arn]
    error_message = "Other repositories can be read."
  }
}

run "refuses_an_image_that_can_change" {
  command = plan

  variables {
    image = "reports:latest"
  }

  expect_failures = [var.image]
}

run "refuses_a_size_fargate_has_not" {
  command = plan

  variables {
    cpu_units = 300
  }

  expect_failures = [var.cpu_units]
}

run "sends_traces_only_to_a_daemon_beside_it" {
  assert {
    condition     = length(jsondecode(aws_ecs_task_definition.this.container_definitions)) == 1 && length(aws_iam_role_policy.traces) == 0 && contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "TRACE", value = "false" })
    error_message = "Traces are off unless there is a daemon."
  }
}

run "runs_the_trace_daemon_it_is_given" {
  variables {
    trace_daemon_image = "xray-daemon:3"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[1].image == "xray-daemon:3" && !jsondecode(aws_ecs_task_definition.this.container_definitions)[1].essential
    error_message = "The daemon must be there, and no request depend on it."
  }

  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment, { name = "TRACE", value = "true" })
    error_message = "The container must send traces."
  }

  assert {
    condition     = toset(jsondecode(aws_iam_role_policy.traces["send-traces"].policy).Statement[0].Action) == toset(["xray:PutTelemetryRecords", "xray:PutTraceSegments"])
    error_message = "The task may send traces and nothing more."
  }
}

mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "test-ingest"
  description        = "Stores leads"
  package_path       = "versions.tf" # any file: its bytes are not looked at here
  handler            = "handler.handler"
  subnet_ids         = ["subnet-1", "subnet-2"]
  security_group_ids = ["sg-1"]
  secret_arns        = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:one"]
}

run "may_read_its_secret_and_write_its_log_and_nothing_more" {
  assert {
    condition = toset(flatten([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Action
      if s.Effect == "Allow" && !startswith(flatten([s.Action])[0], "ec2:")
    ])) == toset(["logs:CreateLogStream", "logs:PutLogEvents", "secretsmanager:GetSecretValue"])
    error_message = "The role allows something else."
  }

  assert {
    condition = alltrue([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement :
      alltrue([for action in flatten([s.Action]) : !strcontains(action, "*")])
    ])
    error_message = "An action has a wildcard."
  }

  assert {
    condition = tolist(one([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Resource if s.Sid == "ReadSecrets"
    ])) == tolist(var.secret_arns)
    error_message = "Other secrets can be read."
  }
}

run "traces_nothing_unless_told" {
  assert {
    condition     = length(aws_lambda_function.this.tracing_config) == 0
    error_message = "Traces are on."
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables.TRACE == "false"
    error_message = "The code traces."
  }
}

run "traces_when_told" {
  variables {
    trace = true
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "Lambda does not trace."
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables.TRACE == "true"
    error_message = "The code does not trace."
  }

  assert {
    condition = contains(flatten([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Action if s.Effect == "Allow"
    ]), "xray:PutTraceSegments")
    error_message = "The role may not send traces."
  }
}

run "sends_only_to_queues_it_was_given" {
  variables {
    send_queue_arns = ["arn:aws:sqs:eu-central-1:123456789012:leads"]
  }

  assert {
    condition = tolist(one([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Resource if s.Sid == "SendMessages"
    ])) == tolist(var.send_queue_arns)
    error_message = "The role sends elsewhere."
  }
}

run "takes_nothing_from_any_queue_unless_told" {
  assert {
    condition     = length(aws_lambda_event_source_mapping.queue) == 0
    error_message = "A function without a source queue has one."
  }
}

run "consumes_its_queue_and_reports_each_failed_message" {
  variables {
    source_queue = { arn = "arn:aws:sqs:eu-central-1:123456789012:leads", visibility_timeout_seconds = 180 }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.queue["queue"].event_source_arn == var.source_queue.arn && tolist(aws_lambda_event_source_mapping.queue["queue"].function_response_types) == tolist(["ReportBatchItemFailures"])
    error_message = "One bad message would take its whole batch to the dead letters."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.queue["queue"].batch_size * 262144 < 6 * 1024 * 1024
    error_message = "A batch of the largest messages must fit into an event."
  }

  assert {
    condition = tolist(one([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Resource if s.Sid == "ReceiveMessages"
    ])) == tolist([var.source_queue.arn])
    error_message = "The role receives from elsewhere."
  }
}

run "refuses_a_queue_that_hands_out_again_what_is_still_worked_on" {
  command = plan

  variables {
    source_queue = { arn = "arn:aws:sqs:eu-central-1:123456789012:leads", visibility_timeout_seconds = 30 }
  }

  expect_failures = [aws_lambda_event_source_mapping.queue]
}

run "refuses_more_pollers_than_may_run" {
  command = plan

  variables {
    concurrency_limit = 1
    source_queue      = { arn = "arn:aws:sqs:eu-central-1:123456789012:leads", visibility_timeout_seconds = 180 }
  }

  expect_failures = [aws_lambda_event_source_mapping.queue]
}

run "is_limited_and_private" {
  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == 20
    error_message = "Without a limit a burst takes every database connection."
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config[0].subnet_ids) == 2
    error_message = "The function must run inside the VPC."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.errors.dimensions["FunctionName"] == "test-ingest"
    error_message = "The alarm watches another function."
  }
}

run "refuses_a_package_that_is_not_there" {
  command = plan

  variables {
    package_path = "no-such-file.zip"
  }

  expect_failures = [var.package_path]
}

run "refuses_no_concurrency_limit" {
  command = plan

  variables {
    concurrency_limit = -1
  }

  expect_failures = [var.concurrency_limit]
}

run "refuses_an_old_python" {
  command = plan

  variables {
    runtime = "python3.9"
  }

  expect_failures = [var.runtime]
}

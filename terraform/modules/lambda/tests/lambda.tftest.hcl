mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "test-ingest"
  description        = "Stores leads"
  package_path       = "versions.tf" # any file: these tests do not read it
  handler            = "handler.handler"
  subnet_ids         = ["subnet-1", "subnet-2"]
  security_group_ids = ["sg-1"]
  secret_arns        = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:one"]
}

run "may_only_read_its_secret_and_write_its_log" {
  assert {
    condition = toset(flatten([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Action
      if s.Effect == "Allow" && !startswith(flatten([s.Action])[0], "ec2:")
    ])) == toset(["logs:CreateLogStream", "logs:PutLogEvents", "secretsmanager:GetSecretValue"])
    error_message = "The role allows other actions."
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
    error_message = "The role can read other secrets."
  }
}

run "sends_no_traces_by_default" {
  assert {
    condition     = length(aws_lambda_function.this.tracing_config) == 0
    error_message = "Lambda must not trace."
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables.TRACE == "false"
    error_message = "The code must not trace."
  }
}

run "sends_traces_with_trace_on" {
  variables {
    trace = true
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "Lambda must trace."
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables.TRACE == "true"
    error_message = "The code must trace."
  }

  assert {
    condition = contains(flatten([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Action if s.Effect == "Allow"
    ]), "xray:PutTraceSegments")
    error_message = "The role must allow to send traces."
  }
}

run "sends_only_to_the_given_queues" {
  variables {
    send_queue_arns = ["arn:aws:sqs:eu-central-1:123456789012:leads"]
  }

  assert {
    condition = tolist(one([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Resource if s.Sid == "SendMessages"
    ])) == tolist(var.send_queue_arns)
    error_message = "The role allows other queues."
  }
}

run "receives_from_no_queue_by_default" {
  assert {
    condition     = length(aws_lambda_event_source_mapping.queue) == 0
    error_message = "A function without a source queue must have no mapping."
  }
}

run "consumes_its_queue_and_reports_each_failed_message" {
  variables {
    source_queue = { arn = "arn:aws:sqs:eu-central-1:123456789012:leads", visibility_timeout_seconds = 180 }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.queue["queue"].event_source_arn == var.source_queue.arn && tolist(aws_lambda_event_source_mapping.queue["queue"].function_response_types) == tolist(["ReportBatchItemFailures"])
    error_message = "Without this, one bad message makes its whole batch dead letters."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.queue["queue"].batch_size * 262144 < 6 * 1024 * 1024
    error_message = "A batch of the largest messages must fit into an event."
  }

  assert {
    condition = tolist(one([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Resource if s.Sid == "ReceiveMessages"
    ])) == tolist([var.source_queue.arn])
    error_message = "The role can receive from other queues."
  }
}

run "refuses_a_queue_with_a_short_visibility_timeout" {
  command = plan

  variables {
    source_queue = { arn = "arn:aws:sqs:eu-central-1:123456789012:leads", visibility_timeout_seconds = 30 }
  }

  expect_failures = [aws_lambda_event_source_mapping.queue]
}

run "refuses_more_pollers_than_the_concurrency_limit" {
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
    error_message = "Without a limit, a burst takes all database connections."
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config[0].subnet_ids) == 2
    error_message = "The function must run inside the VPC."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.errors.dimensions["FunctionName"] == "test-ingest"
    error_message = "The alarm must watch this function."
  }
}

run "refuses_a_missing_package" {
  command = plan

  variables {
    package_path = "no-such-file.zip"
  }

  expect_failures = [var.package_path]
}

run "refuses_a_concurrency_limit_of_zero" {
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

run "calls_only_the_given_functions" {
  variables {
    invoke_function_arns = ["arn:aws:lambda:eu-central-1:123456789012:function:webhooks"]
  }

  assert {
    condition = tolist(one([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Resource if s.Sid == "InvokeFunctions"
    ])) == tolist(var.invoke_function_arns)
    error_message = "The role can call other functions."
  }
}

run "has_no_rights_but_its_log_outside_the_vpc" {
  variables {
    subnet_ids         = []
    security_group_ids = []
    secret_arns        = []
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0
    error_message = "The function must run outside the VPC."
  }

  assert {
    condition = toset(flatten([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Action
    ])) == toset(["logs:CreateLogStream", "logs:PutLogEvents"])
    error_message = "The role allows more than to write its log."
  }
}

run "passes_its_variables_on" {
  variables {
    runtime            = "python3.12"
    architecture       = "arm64"
    environment        = { A = "b" }
    timeout_seconds    = 15
    memory_mebibytes   = 1024
    concurrency_limit  = 33
    log_retention_days = 90
    alarm_topic_arns   = ["arn:aws:sns:eu-central-1:123456789012:alarms"]
  }

  assert {
    condition     = [aws_lambda_function.this.function_name, aws_lambda_function.this.description, aws_lambda_function.this.handler, aws_lambda_function.this.runtime, aws_lambda_function.this.filename, one(aws_lambda_function.this.architectures)] == ["test-ingest", "Stores leads", "handler.handler", "python3.12", "versions.tf", "arm64"]
    error_message = "The function is another."
  }

  assert {
    condition     = [aws_lambda_function.this.timeout, aws_lambda_function.this.memory_size, aws_lambda_function.this.reserved_concurrent_executions] == [15, 1024, 33]
    error_message = "A limit of the function is another."
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables == tomap({ A = "b", TRACE = "false" })
    error_message = "The environment is another."
  }

  assert {
    condition     = aws_lambda_function.this.role == aws_iam_role.this.arn && aws_iam_role.this.name == "test-ingest" && aws_lambda_function.this.source_code_hash == filebase64sha256("versions.tf")
    error_message = "The role or the code is another."
  }

  assert {
    condition     = toset(aws_lambda_function.this.vpc_config[0].subnet_ids) == toset(var.subnet_ids) && toset(aws_lambda_function.this.vpc_config[0].security_group_ids) == toset(var.security_group_ids)
    error_message = "The function stands in another network."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/test-ingest" && aws_cloudwatch_log_group.this.retention_in_days == 90
    error_message = "The log is another, or kept for another time."
  }

  assert {
    condition     = [aws_cloudwatch_metric_alarm.errors.threshold, aws_cloudwatch_metric_alarm.errors.period, aws_cloudwatch_metric_alarm.errors.evaluation_periods, aws_cloudwatch_metric_alarm.errors.statistic, aws_cloudwatch_metric_alarm.errors.comparison_operator, aws_cloudwatch_metric_alarm.errors.treat_missing_data] == [0, 60, 1, "Sum", "GreaterThanThreshold", "notBreaching"]
    error_message = "The alarm errors goes off too early or too late."
  }

  assert {
    condition     = [aws_cloudwatch_metric_alarm.throttles.threshold, aws_cloudwatch_metric_alarm.throttles.period, aws_cloudwatch_metric_alarm.throttles.evaluation_periods, aws_cloudwatch_metric_alarm.throttles.statistic, aws_cloudwatch_metric_alarm.throttles.comparison_operator, aws_cloudwatch_metric_alarm.throttles.treat_missing_data] == [0, 60, 5, "Sum", "GreaterThanThreshold", "notBreaching"]
    error_message = "The alarm throttles goes off too early or too late."
  }

  assert {
    condition     = tolist(aws_cloudwatch_metric_alarm.errors.alarm_actions) == tolist(var.alarm_topic_arns) && tolist(aws_cloudwatch_metric_alarm.throttles.alarm_actions) == tolist(var.alarm_topic_arns)
    error_message = "An alarm reaches nobody."
  }
}

run "denies_its_code_the_network_of_the_vpc" {
  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Effect if s.Sid == "DenyNetworkToCode"]) == "Deny" && one([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Condition.ArnEquals["lambda:SourceFunctionArn"] if s.Sid == "DenyNetworkToCode"]) == "arn:aws:lambda:eu-central-1:123456789012:function:test-ingest"
    error_message = "Only Lambda itself may use these actions."
  }

  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Resource if s.Sid == "WriteLog"])[0] == "${aws_cloudwatch_log_group.this.arn}:*"
    error_message = "The function may write into its own log alone."
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal == { Service = "lambda.amazonaws.com" }
    error_message = "Only Lambda may take the role."
  }
}

run "takes_no_more_messages_at_once_than_asked_for" {
  variables {
    source_queue = { arn = "arn:aws:sqs:eu-central-1:123456789012:leads", visibility_timeout_seconds = 180, maximum_concurrency = 7 }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.queue["queue"].scaling_config[0].maximum_concurrency == 7 && aws_lambda_event_source_mapping.queue["queue"].function_name == aws_lambda_function.this.arn
    error_message = "The mapping is another."
  }
}

locals {
  # Statements that only some functions need.
  secret_statements = length(var.secret_arns) == 0 ? [] : [{
    Sid      = "ReadSecrets"
    Effect   = "Allow"
    Action   = ["secretsmanager:GetSecretValue"]
    Resource = var.secret_arns
  }]

  queue_statements = length(var.send_queue_arns) == 0 ? [] : [{
    Sid      = "SendMessages"
    Effect   = "Allow"
    Action   = ["sqs:SendMessage"]
    Resource = var.send_queue_arns
  }]

  # IAM knows no resource for these actions.
  trace_statements = var.trace ? [{
    Sid      = "SendTraces"
    Effect   = "Allow"
    Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    Resource = ["*"]
  }] : []

  invoke_statements = length(var.invoke_function_arns) == 0 ? [] : [{
    Sid      = "InvokeFunctions"
    Effect   = "Allow"
    Action   = ["lambda:InvokeFunction"]
    Resource = var.invoke_function_arns
  }]

  consumer_statements = var.source_queue == null ? [] : [{
    Sid      = "ReceiveMessages"
    Effect   = "Allow"
    Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"]
    Resource = [var.source_queue.arn]
  }]

  network_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]

  # A function without subnets runs outside the VPC and cannot reach it.
  join_statements = length(var.subnet_ids) == 0 ? [] : [{
    # Lambda creates the network interfaces itself. Their names are not known before, so it
    # needs these actions on every resource.
    Sid      = "JoinVpc"
    Effect   = "Allow"
    Action   = local.network_actions
    Resource = ["*"]
  }]

  code_statements = length(var.subnet_ids) == 0 ? [] : [{
    # Only Lambda itself may use these actions, not the code of the function.
    Sid      = "DenyNetworkToCode"
    Effect   = "Deny"
    Action   = local.network_actions
    Resource = ["*"]
    Condition = {
      ArnEquals = {
        "lambda:SourceFunctionArn" = "arn:aws:lambda:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:function:${var.name}"
      }
    }
  }]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "this" {
  name = var.name

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "function"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "WriteLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
        },
      ],
      local.join_statements,
      local.code_statements,
      local.secret_statements,
      local.queue_statements,
      local.consumer_statements,
      local.invoke_statements,
      local.trace_statements,
    )
  })
}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn

  filename         = var.package_path
  source_code_hash = filebase64sha256(var.package_path)
  handler          = var.handler
  runtime          = var.runtime
  architectures    = [var.architecture]

  timeout                        = var.timeout_seconds
  memory_size                    = var.memory_mebibytes
  reserved_concurrent_executions = var.concurrency_limit

  dynamic "vpc_config" {
    for_each = length(var.subnet_ids) == 0 ? [] : ["vpc"]
    content {
      subnet_ids         = var.subnet_ids
      security_group_ids = var.security_group_ids
    }
  }

  dynamic "tracing_config" {
    for_each = var.trace ? ["Active"] : []
    content {
      mode = tracing_config.value
    }
  }

  environment {
    variables = merge(var.environment, { TRACE = tostring(var.trace) })
  }

  # A function that runs before its role and its log group exist fails and logs nothing.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

resource "aws_lambda_event_source_mapping" "queue" {
  for_each = var.source_queue == null ? {} : { queue = var.source_queue }

  event_source_arn        = each.value.arn
  function_name           = aws_lambda_function.this.arn
  batch_size              = 10 # messages of at most 256 KiB, below the 6 MiB of an event
  function_response_types = ["ReportBatchItemFailures"]

  # A throttled call counts as one of the receives of its messages.
  scaling_config {
    maximum_concurrency = each.value.maximum_concurrency
  }

  lifecycle {
    precondition {
      condition     = each.value.maximum_concurrency <= var.concurrency_limit
      error_message = "source_queue.maximum_concurrency must be at most concurrency_limit: messages of throttled calls become dead letters."
    }

    precondition {
      condition     = each.value.visibility_timeout_seconds >= 6 * var.timeout_seconds
      error_message = "The queue's visibility timeout must be at least six times timeout_seconds, or SQS sends messages again while the function works on them."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-errors"
  alarm_description   = "The function failed: an uncaught exception, a timeout, or too little memory. Runbook: docs/runbooks/function-errors.md"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "throttles" {
  alarm_name          = "${var.name}-throttles"
  alarm_description   = "Lambda throttled calls: the function reached its concurrency limit. Runbook: docs/runbooks/function-throttles.md"
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

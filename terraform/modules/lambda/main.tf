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

  # X-Ray knows no resource for these.
  trace_statements = var.trace ? [{
    Sid      = "SendTraces"
    Effect   = "Allow"
    Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    Resource = ["*"]
  }] : []

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
          Sid      = "WriteItsOwnLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
        },
        {
          # Lambda makes the network interfaces itself and asks for these on every resource:
          # their names are not known before.
          Sid      = "JoinTheVpc"
          Effect   = "Allow"
          Action   = local.network_actions
          Resource = ["*"]
        },
        {
          # The service may do that for the function; the function's own code may not.
          Sid      = "ButNotFromItsCode"
          Effect   = "Deny"
          Action   = local.network_actions
          Resource = ["*"]
          Condition = {
            ArnEquals = {
              "lambda:SourceFunctionArn" = "arn:aws:lambda:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}:function:${var.name}"
            }
          }
        },
      ],
      local.secret_statements,
      local.queue_statements,
      local.consumer_statements,
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

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
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

  # The function may neither run nor log before its role and its log group are there.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

resource "aws_lambda_event_source_mapping" "queue" {
  for_each = var.source_queue == null ? {} : { queue = var.source_queue }

  event_source_arn        = each.value.arn
  function_name           = aws_lambda_function.this.arn
  batch_size              = 10 # of 256 KiB each: within the 6 MiB of an event
  function_response_types = ["ReportBatchItemFailures"]

  # A poller that is turned away has used up one of the message's receives.
  scaling_config {
    maximum_concurrency = each.value.maximum_concurrency
  }

  lifecycle {
    precondition {
      condition     = each.value.maximum_concurrency <= var.concurrency_limit
      error_message = "source_queue.maximum_concurrency must be at most concurrency_limit: messages that are turned away would become dead letters."
    }

    precondition {
      condition     = each.value.visibility_timeout_seconds >= 6 * var.timeout_seconds
      error_message = "The queue's visibility timeout must be at least six times timeout_seconds, or messages are handed out while they are still worked on."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-errors"
  alarm_description   = "The function failed: an exception nobody caught, a timeout, or no memory. Runbook: docs/runbooks/function-errors.md"
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
  alarm_description   = "Calls were turned away: the concurrency limit is reached. Runbook: docs/runbooks/function-throttles.md"
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

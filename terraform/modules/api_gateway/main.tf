locals {
  # An HTTP API waits at most 30 seconds.
  timeout_milliseconds = 29000

  integrations = merge(
    { ingest = aws_apigatewayv2_integration.ingest.id },
    { for key, integration in aws_apigatewayv2_integration.reports_service : "reports" => integration.id },
    { for key, integration in aws_apigatewayv2_integration.reports_function : "reports" => integration.id },
  )

  # Each function that the API calls, with its route as the ARN of a permission writes it.
  callers = merge(
    { ingest = { function_name = var.ingest_function.name, route = "POST/leads" } },
    var.reports_function == null ? {} : {
      reports = { function_name = var.reports_function.name, route = "$default" }
    },
  )
}

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  description   = "POST /leads by a function, all other routes by the reporting service"
  protocol_type = "HTTP"

  # Without cors_configuration, browsers refuse calls from pages of other origins.

  lifecycle {
    precondition {
      condition     = (var.reports_service == null) != (var.reports_function == null)
      error_message = "Set exactly one of reports_service and reports_function."
    }
  }
}

resource "aws_apigatewayv2_integration" "ingest" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.ingest_function.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = local.timeout_milliseconds
}

resource "aws_apigatewayv2_vpc_link" "this" {
  count = var.reports_service == null ? 0 : 1

  name               = var.name
  subnet_ids         = var.reports_service.subnet_ids
  security_group_ids = var.reports_service.security_group_ids
}

resource "aws_apigatewayv2_integration" "reports_service" {
  count = var.reports_service == null ? 0 : 1

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "HTTP_PROXY"
  integration_method     = "ANY"
  integration_uri        = var.reports_service.listener_arn
  connection_type        = "VPC_LINK"
  connection_id          = aws_apigatewayv2_vpc_link.this[0].id
  payload_format_version = "1.0"
  timeout_milliseconds   = local.timeout_milliseconds

  # Connects the service's log with the access log, and marks requests from outside the VPC.
  request_parameters = {
    "overwrite:header.x-gateway-request-id" = "$context.requestId"
  }
}

resource "aws_apigatewayv2_integration" "reports_function" {
  count = var.reports_function == null ? 0 : 1

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.reports_function.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = local.timeout_milliseconds
}

# $default serves every method and path without a route of its own, including "/".
resource "aws_apigatewayv2_route" "this" {
  for_each = {
    "POST /leads" = "ingest"
    "$default"    = "reports"
  }

  api_id    = aws_apigatewayv2_api.this.id
  route_key = each.key
  target    = "integrations/${local.integrations[each.value]}"
}

resource "aws_lambda_permission" "this" {
  for_each = local.callers

  statement_id  = "AllowHttpApi"
  action        = "lambda:InvokeFunction"
  function_name = each.value.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/${each.value.route}"
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/apigateway/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  # Never log a body or a query: they may name a person.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      request_id        = "$context.requestId"
      time              = "$context.requestTime"
      source_ip         = "$context.identity.sourceIp"
      method            = "$context.httpMethod"
      path              = "$context.path"
      route             = "$context.routeKey"
      status            = "$context.status"
      response_bytes    = "$context.responseLength"
      latency_ms        = "$context.responseLatency"
      integration_error = "$context.integrationErrorMessage"
    })
  }

  default_route_settings {
    detailed_metrics_enabled = true
    throttling_rate_limit    = var.requests_per_second
    throttling_burst_limit   = var.request_burst
  }
}

resource "aws_cloudwatch_metric_alarm" "server_errors" {
  alarm_name          = "${var.name}-5xx"
  alarm_description   = "The API answered 5xx. Runbook: docs/runbooks/api-5xx.md"
  namespace           = "AWS/ApiGateway"
  metric_name         = "5xx"
  dimensions          = { ApiId = aws_apigatewayv2_api.this.id }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

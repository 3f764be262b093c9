mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name = "test"

  ingest_function = {
    name       = "test-ingest"
    invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:test-ingest/invocations"
  }

  reports_service = {
    listener_arn       = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/test/0123456789abcdef/0123456789abcdef"
    subnet_ids         = ["subnet-1", "subnet-2"]
    security_group_ids = ["sg-1"]
  }
}

run "sends_leads_to_the_function_and_all_other_routes_to_the_service" {
  assert {
    condition     = aws_apigatewayv2_route.this["POST /leads"].target == "integrations/${aws_apigatewayv2_integration.ingest.id}"
    error_message = "POST /leads must go to the function."
  }

  assert {
    condition     = aws_apigatewayv2_route.this["$default"].target == "integrations/${aws_apigatewayv2_integration.reports_service[0].id}"
    error_message = "All other routes must go to the service."
  }

  assert {
    condition     = aws_apigatewayv2_integration.reports_service[0].connection_type == "VPC_LINK"
    error_message = "The API must reach the private service through a VPC link."
  }
}

run "is_throttled_logged_and_closed_to_other_origins" {
  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 200
    error_message = "The rate limit is missing."
  }

  assert {
    condition     = length(aws_apigatewayv2_api.this.cors_configuration) == 0
    error_message = "CORS must be off."
  }

  assert {
    condition     = !strcontains(aws_apigatewayv2_stage.this.access_log_settings[0].format, "query")
    error_message = "The log must not contain queries: they may name a person."
  }
}

run "lets_only_this_route_call_the_function" {
  assert {
    condition     = aws_lambda_permission.this["ingest"].source_arn == "${aws_apigatewayv2_api.this.execution_arn}/*/POST/leads"
    error_message = "Only POST /leads may call the function."
  }
}

run "serves_reports_from_a_function_instead" {
  variables {
    reports_service = null
    reports_function = {
      name       = "test-reports"
      invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:test-reports/invocations"
    }
  }

  assert {
    condition     = length(aws_apigatewayv2_vpc_link.this) == 0 && aws_lambda_permission.this["reports"].function_name == "test-reports"
    error_message = "The API must call the function and have no VPC link, which costs money."
  }
}

run "refuses_both_a_service_and_a_function_for_the_reports" {
  command = plan

  variables {
    reports_function = {
      name       = "test-reports"
      invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:test-reports/invocations"
    }
  }

  expect_failures = [aws_apigatewayv2_api.this]
}

run "refuses_a_rate_of_zero" {
  command = plan

  variables {
    requests_per_second = 0
  }

  expect_failures = [var.requests_per_second]
}

run "marks_requests_from_outside_for_the_service" {
  assert {
    condition     = aws_apigatewayv2_integration.reports_service[0].request_parameters["overwrite:header.x-gateway-request-id"] == "$context.requestId"
    error_message = "Every request from outside needs the header: Prometheus, which is inside, sends none."
  }
}

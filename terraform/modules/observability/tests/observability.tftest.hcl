mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                = "test"
  api_id              = "api"
  function_names      = ["test-ingest", "test-queue"]
  queue_name          = "test-leads"
  database_identifier = "test-db"
  alarm_topic_arns    = ["arn:aws:sns:eu-central-1:123456789012:people"]
}

run "has_an_alarm_for_each_function" {
  assert {
    condition     = toset([for alarm in aws_cloudwatch_metric_alarm.function_duration : alarm.dimensions["FunctionName"]]) == toset(["test-ingest", "test-queue"])
    error_message = "Each function needs its own alarm."
  }
}

run "every_alarm_has_a_topic_and_a_runbook" {
  assert {
    condition = alltrue([
      for alarm in concat(
        [
          aws_cloudwatch_metric_alarm.api_latency,
          aws_cloudwatch_metric_alarm.database_connections,
          aws_cloudwatch_metric_alarm.database_cpu,
          aws_cloudwatch_metric_alarm.close_failed,
          aws_cloudwatch_metric_alarm.close_overdue,
          aws_cloudwatch_metric_alarm.quarantine_growing,
          aws_cloudwatch_metric_alarm.refused_spike,
        ],
        values(aws_cloudwatch_metric_alarm.function_duration),
      ) : length(alarm.alarm_actions) == 1 && strcontains(alarm.alarm_description, "docs/runbooks/")
    ])
    error_message = "Every alarm needs a topic and a runbook."
  }
}

run "first_failed_close_raises_an_alarm" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.close_failed.threshold == 0 && aws_cloudwatch_metric_alarm.close_overdue.threshold == 0
    error_message = "The first failed or overdue close must raise an alarm."
  }
}

run "dashboard_is_valid_and_its_graphs_do_not_overlap" {
  assert {
    condition     = length(distinct([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : "${widget.x},${widget.y}"])) == length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets)
    error_message = "Two graphs have the same place."
  }
}

locals {
  # As common/observability/metrics.py and the two services name them; a test holds both to it.
  ingest  = { service = "lead-billing-ingest" }
  reports = { service = "lead-billing-reports" }
}

data "aws_region" "current" {}

resource "aws_cloudwatch_metric_alarm" "api_latency" {
  alarm_name          = "${var.name}-api-latency"
  alarm_description   = "One request in a hundred takes longer than ${var.latency_alarm_milliseconds} ms. Runbook: docs/runbooks/api-latency.md"
  namespace           = "AWS/ApiGateway"
  metric_name         = "Latency"
  dimensions          = { ApiId = var.api_id }
  extended_statistic  = "p99"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.latency_alarm_milliseconds
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "function_duration" {
  for_each = toset(var.function_names)

  alarm_name          = "${each.key}-duration"
  alarm_description   = "One call in a hundred takes longer than ${var.duration_alarm_milliseconds} ms. Runbook: docs/runbooks/function-duration.md"
  namespace           = "AWS/Lambda"
  metric_name         = "Duration"
  dimensions          = { FunctionName = each.key }
  extended_statistic  = "p99"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.duration_alarm_milliseconds
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "database_connections" {
  alarm_name          = "${var.name}-database-connections"
  alarm_description   = "More than ${var.connections_alarm_count} connections are open. Runbook: docs/runbooks/database-connections.md"
  namespace           = "AWS/RDS"
  metric_name         = "DatabaseConnections"
  dimensions          = { DBInstanceIdentifier = var.database_identifier }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.connections_alarm_count
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "missing"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "database_cpu" {
  alarm_name          = "${var.name}-database-cpu"
  alarm_description   = "The database's processor is over 80 % busy for a quarter of an hour. Runbook: docs/runbooks/database-cpu.md"
  namespace           = "AWS/RDS"
  metric_name         = "CPUUtilization"
  dimensions          = { DBInstanceIdentifier = var.database_identifier }
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 80
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "missing"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "close_failed" {
  alarm_name          = "${var.name}-close-failed"
  alarm_description   = "A customer's month could not be closed and is parked. Runbook: docs/runbooks/close-failed.md"
  namespace           = "LeadBilling"
  metric_name         = "ClosesFailed"
  dimensions          = local.reports
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "close_overdue" {
  alarm_name          = "${var.name}-close-overdue"
  alarm_description   = "A month that ended more than a week ago still has open actions. Runbook: docs/runbooks/close-overdue.md"
  namespace           = "LeadBilling"
  metric_name         = "OverdueNow"
  dimensions          = local.reports
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 3600
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "quarantine_growing" {
  alarm_name          = "${var.name}-quarantine-growing"
  alarm_description   = "More than ${var.quarantined_alarm_count} leads of unknown customers or products within 15 minutes. Runbook: docs/runbooks/quarantine-growing.md"
  namespace           = "LeadBilling"
  metric_name         = "LeadsQuarantined"
  dimensions          = local.ingest
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.quarantined_alarm_count
  period              = 900
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "refused_spike" {
  alarm_name          = "${var.name}-refused-spike"
  alarm_description   = "More than ${var.refused_alarm_count} requests and leads were refused within 5 minutes. Runbook: docs/runbooks/refused-spike.md"
  namespace           = "LeadBilling"
  metric_name         = "Refused"
  dimensions          = local.ingest
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.refused_alarm_count
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for place, graph in [
        {
          title = "Leads that arrived"
          stat  = "Sum"
          metrics = [
            for metric in ["LeadsCreated", "LeadsUpdated", "LeadsUnchanged", "LeadsQuarantined", "LeadsConflict", "LeadsInvalid", "LeadsQueued"] :
            ["LeadBilling", metric, "service", local.ingest.service]
          ]
        },
        {
          title   = "Actions stored, and what was refused"
          stat    = "Sum"
          metrics = [for metric in ["ActionsAdded", "Refused"] : ["LeadBilling", metric, "service", local.ingest.service]]
        },
        {
          title   = "The API: requests and errors"
          stat    = "Sum"
          metrics = [for metric in ["Count", "4xx", "5xx"] : ["AWS/ApiGateway", metric, "ApiId", var.api_id]]
        },
        {
          title   = "The API: latency, p99"
          stat    = "p99"
          metrics = [for metric in ["Latency", "IntegrationLatency"] : ["AWS/ApiGateway", metric, "ApiId", var.api_id]]
        },
        {
          title = "Functions: errors and throttles"
          stat  = "Sum"
          metrics = concat([
            for name in var.function_names : [
              for metric in ["Errors", "Throttles"] : ["AWS/Lambda", metric, "FunctionName", name]
            ]
          ]...)
        },
        {
          title   = "Functions: duration, p99"
          stat    = "p99"
          metrics = [for name in var.function_names : ["AWS/Lambda", "Duration", "FunctionName", name]]
        },
        {
          title = "Leads that wait for the database"
          stat  = "Maximum"
          metrics = [
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queue_name],
            ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queue_name],
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${var.queue_name}-dead-letters"],
          ]
        },
        {
          title = "The database"
          stat  = "Average"
          metrics = [
            for metric in ["CPUUtilization", "DatabaseConnections", "FreeStorageSpace"] :
            ["AWS/RDS", metric, "DBInstanceIdentifier", var.database_identifier]
          ]
        },
        {
          title   = "Closing: reports, failures, late actions, duplicates"
          stat    = "Sum"
          metrics = [for metric in ["ReportsClosed", "ClosesFailed", "LateActions", "Duplicates"] : ["LeadBilling", metric, "service", local.reports.service]]
        },
        {
          title   = "Closing: how long a run takes"
          stat    = "Maximum"
          metrics = [["LeadBilling", "CloseSeconds", "service", local.reports.service]]
        },
        {
          title   = "Closing: cents billed and saved"
          stat    = "Sum"
          metrics = [for metric in ["CentsBilled", "CentsSavedDuplicate", "CentsSavedCap"] : ["LeadBilling", metric, "service", local.reports.service]]
        },
        {
          title   = "What waits for a person"
          stat    = "Maximum"
          metrics = [for metric in ["QuarantinedNow", "ParkedNow", "OverdueNow"] : ["LeadBilling", metric, "service", local.reports.service]]
        },
      ] :
      {
        type   = "metric"
        x      = place % 2 * 12
        y      = floor(place / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = graph.title
          region  = data.aws_region.current.id
          stat    = graph.stat
          period  = 300
          metrics = graph.metrics
        }
      }
    ]
  })
}

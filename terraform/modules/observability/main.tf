locals {
  # The names that the function and the service use in their metrics; a test compares them.
  ingest  = { service = "lead-billing-ingest" }
  reports = { service = "lead-billing-reports" }
}

data "aws_region" "current" {}

resource "aws_cloudwatch_metric_alarm" "api_latency" {
  alarm_name          = "${var.name}-api-latency"
  alarm_description   = "1% of requests take longer than ${var.latency_alarm_milliseconds} ms. Runbook: docs/runbooks/api-latency.md"
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
  alarm_description   = "1% of calls take longer than ${var.duration_alarm_milliseconds} ms. Runbook: docs/runbooks/function-duration.md"
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
  alarm_description   = "The CPU of the database is over 80% busy for 15 minutes. Runbook: docs/runbooks/database-cpu.md"
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
  alarm_description   = "The closing of a customer's month failed; the customer is parked. Runbook: docs/runbooks/close-failed.md"
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
  alarm_description   = "More than ${var.quarantined_alarm_count} leads with unknown customers or products arrived within 15 minutes. Runbook: docs/runbooks/quarantine-growing.md"
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
  alarm_description   = "The function refused more than ${var.refused_alarm_count} requests and leads within 5 minutes. Runbook: docs/runbooks/refused-spike.md"
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
      for index, graph in [
        {
          title = "Leads by result"
          stat  = "Sum"
          metrics = [
            for metric in ["LeadsCreated", "LeadsUpdated", "LeadsUnchanged", "LeadsVoided", "LeadsQuarantined", "LeadsConflict", "LeadsInvalid", "LeadsQueued"] :
            ["LeadBilling", metric, "service", local.ingest.service]
          ]
        },
        {
          title   = "Stored actions and refusals"
          stat    = "Sum"
          metrics = [for metric in ["ActionsAdded", "Refused"] : ["LeadBilling", metric, "service", local.ingest.service]]
        },
        {
          title   = "API: requests and errors"
          stat    = "Sum"
          metrics = [for metric in ["Count", "4xx", "5xx"] : ["AWS/ApiGateway", metric, "ApiId", var.api_id]]
        },
        {
          title   = "API: latency, p99"
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
          title = "Spill queue"
          stat  = "Maximum"
          metrics = [
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queue_name],
            ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queue_name],
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${var.queue_name}-dead-letters"],
          ]
        },
        {
          title = "Database"
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
          title   = "Closing: duration of a run"
          stat    = "Maximum"
          metrics = [["LeadBilling", "CloseSeconds", "service", local.reports.service]]
        },
        {
          title   = "Closing: cents billed and saved"
          stat    = "Sum"
          metrics = [for metric in ["CentsBilled", "CentsSavedDuplicate", "CentsSavedCap"] : ["LeadBilling", metric, "service", local.reports.service]]
        },
        {
          title   = "Pending work"
          stat    = "Maximum"
          metrics = [for metric in ["QuarantinedNow", "ParkedNow", "OverdueNow"] : ["LeadBilling", metric, "service", local.reports.service]]
        },
      ] :
      {
        type   = "metric"
        x      = index % 2 * 12
        y      = floor(index / 2) * 6
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

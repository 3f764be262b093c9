mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                = "test-close"
  description         = "Closes the month"
  schedule_expression = "cron(30 12 4 * ? *)"
  command             = ["python", "-m", "close"]
  kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/messages"
  cluster_arn         = "arn:aws:ecs:eu-central-1:123456789012:cluster/test"
  task_definition_arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/test-reports:7"
  task_role_arns      = ["arn:aws:iam::123456789012:role/execution", "arn:aws:iam::123456789012:role/task"]
  container_name      = "test-reports"
  subnet_ids          = ["subnet-1", "subnet-2"]
  security_group_ids  = ["sg-1"]
}

run "starts_the_given_command_at_the_given_time" {
  assert {
    condition = (
      aws_scheduler_schedule.this.schedule_expression == var.schedule_expression
      && aws_scheduler_schedule.this.schedule_expression_timezone == "UTC"
    )
    error_message = "The schedule must be in UTC."
  }

  assert {
    condition = jsondecode(aws_scheduler_schedule.this.target[0].input).containerOverrides == [
      { name = "test-reports", command = ["python", "-m", "close"] }
    ]
    error_message = "The schedule must run the command."
  }
}

run "keeps_runs_that_failed_of_this_task_alone" {
  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.failed.event_pattern).detail == {
      clusterArn        = [var.cluster_arn]
      taskDefinitionArn = [{ prefix = "arn:aws:ecs:eu-central-1:123456789012:task-definition/test-reports:" }]
      lastStatus        = ["STOPPED"]
      "$or" = [
        { stopCode = ["TaskFailedToStart"] },
        { containers = { exitCode = [{ "anything-but" = [0] }] } },
      ]
    }
    error_message = "The rule must find every run that failed, whatever its revision."
  }

  assert {
    condition     = aws_cloudwatch_event_target.failed.arn == aws_sqs_queue.failed.arn && aws_sqs_queue.failed.kms_master_key_id == var.kms_key_arn
    error_message = "A failed run must come to the encrypted queue."
  }

  assert {
    condition = one([
      for s in jsondecode(aws_sqs_queue_policy.failed.policy).Statement : s if s.Effect == "Allow"
      ]) == {
      Sid       = "KeepFailedRuns"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.failed.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.failed.arn } }
    }
    error_message = "Only the rule may send to the queue, besides the schedule's role."
  }
}

run "runs_privately_and_retries_the_start" {
  assert {
    condition     = !aws_scheduler_schedule.this.target[0].ecs_parameters[0].network_configuration[0].assign_public_ip
    error_message = "The task needs no public address."
  }

  assert {
    condition = (
      aws_scheduler_schedule.this.target[0].retry_policy[0].maximum_retry_attempts > 0
      && aws_scheduler_schedule.this.target[0].dead_letter_config[0].arn == aws_sqs_queue.failed.arn
      && aws_cloudwatch_metric_alarm.failed.threshold == 0
    )
    error_message = "An alarm must report a run that did not start."
  }
}

run "may_start_only_this_task" {
  assert {
    condition = toset(flatten([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Action])) == toset([
      "ecs:RunTask", "iam:PassRole", "sqs:SendMessage",
    ])
    error_message = "The role of the schedule allows other actions."
  }

  assert {
    condition = one([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s if s.Sid == "RunTask"
      ]) == {
      Sid       = "RunTask"
      Effect    = "Allow"
      Action    = ["ecs:RunTask"]
      Resource  = ["arn:aws:ecs:eu-central-1:123456789012:task-definition/test-reports:*"]
      Condition = { ArnEquals = { "ecs:cluster" = var.cluster_arn } }
    }
    error_message = "The role can start other tasks."
  }

  assert {
    condition = tolist(one([
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Resource if s.Sid == "PassTaskRoles"
    ])) == var.task_role_arns
    error_message = "The role can pass other roles."
  }
}

run "refuses_to_run_the_service_on_a_schedule" {
  command = plan

  variables {
    command = []
  }

  expect_failures = [var.command]
}

run "refuses_a_time_that_is_no_schedule" {
  command = plan

  variables {
    schedule_expression = "every month"
  }

  expect_failures = [var.schedule_expression]
}

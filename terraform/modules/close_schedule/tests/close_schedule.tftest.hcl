mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                = "test-close"
  command             = ["python", "-m", "close", "--grace-days", "{grace_days}"]
  cluster_arn         = "arn:aws:ecs:eu-central-1:123456789012:cluster/test"
  task_definition_arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/test-reports:7"
  task_role_arns      = ["arn:aws:iam::123456789012:role/execution", "arn:aws:iam::123456789012:role/task"]
  container_name      = "test-reports"
  subnet_ids          = ["subnet-1", "subnet-2"]
  security_group_ids  = ["sg-1"]
}

run "closes_the_previous_month_after_the_grace_days" {
  variables {
    grace_days = 4
  }

  assert {
    condition = (
      aws_scheduler_schedule.this.schedule_expression == "cron(30 12 5 * ? *)"
      && aws_scheduler_schedule.this.schedule_expression_timezone == "UTC"
    )
    error_message = "Four days after a month's end is the 5th."
  }

  assert {
    condition = jsondecode(aws_scheduler_schedule.this.target[0].input).containerOverrides == [
      { name = "test-reports", command = ["python", "-m", "close", "--grace-days", "4"] }
    ]
    error_message = "Schedule and command must mean the same month."
  }
}

run "closes_on_the_first_without_grace" {
  variables {
    grace_days = 0
  }

  assert {
    condition     = aws_scheduler_schedule.this.schedule_expression == "cron(30 12 1 * ? *)"
    error_message = "The schedule must wait until the month is over in every time zone: 12:00 UTC on the 1st."
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
      && aws_scheduler_schedule.this.target[0].dead_letter_config[0].arn == aws_sqs_queue.not_started.arn
      && aws_cloudwatch_metric_alarm.not_started.threshold == 0
    )
    error_message = "An alarm must report a month that was not closed."
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

run "refuses_a_day_that_some_months_lack" {
  command = plan

  variables {
    grace_days = 28
  }

  expect_failures = [var.grace_days]
}

run "refuses_a_command_without_the_grace_days" {
  command = plan

  variables {
    command = ["python", "-m", "close"]
  }

  expect_failures = [var.command]
}

mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name = "test"
}

run "keeps_messages_for_14_days_and_moves_failures" {
  assert {
    condition     = aws_sqs_queue.this.message_retention_seconds == 1209600 && aws_sqs_queue.dead_letters.message_retention_seconds == 1209600
    error_message = "The queues must keep a lead for 14 days."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 5
    error_message = "SQS must move a message after five failures."
  }

  assert {
    condition     = aws_sqs_queue.this.sqs_managed_sse_enabled && aws_sqs_queue.dead_letters.sqs_managed_sse_enabled
    error_message = "Leads must be encrypted at rest."
  }

  assert {
    condition     = alltrue([for p in aws_sqs_queue_policy.tls_only : jsondecode(p.policy).Statement[0].Effect == "Deny"])
    error_message = "The queues must refuse requests without TLS."
  }
}

run "first_dead_letter_raises_an_alarm" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.dead_letters.threshold == 0 && aws_cloudwatch_metric_alarm.dead_letters.dimensions["QueueName"] == "test-dead-letters"
    error_message = "The first dead letter must raise an alarm."
  }
}

run "requeued_leads_raise_an_alarm" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.requeued.threshold == 0 && aws_cloudwatch_metric_alarm.requeued.dimensions["QueueName"] == "test"
    error_message = "An alarm on the age does not see requeued leads: each is a new message."
  }
}

run "refuses_a_receive_count_of_zero" {
  command = plan

  variables {
    max_receive_count = 0
  }

  expect_failures = [var.max_receive_count]
}

run "refuses_a_name_that_is_too_long_for_the_dead_letters" {
  command = plan

  variables {
    name = "a123456789a123456789a123456789a123456789a123456789a123456789a1234567"
  }

  expect_failures = [var.name]
}

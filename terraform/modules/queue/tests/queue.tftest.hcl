mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name = "test"
}

run "keeps_messages_as_long_as_sqs_can_and_hands_failures_over" {
  assert {
    condition     = aws_sqs_queue.this.message_retention_seconds == 1209600 && aws_sqs_queue.dead_letters.message_retention_seconds == 1209600
    error_message = "A lead may not be lost before 14 days."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 5
    error_message = "After five failures a message belongs to a person."
  }

  assert {
    condition     = aws_sqs_queue.this.sqs_managed_sse_enabled && aws_sqs_queue.dead_letters.sqs_managed_sse_enabled
    error_message = "Leads must be encrypted at rest."
  }

  assert {
    condition     = alltrue([for p in aws_sqs_queue_policy.tls_only : jsondecode(p.policy).Statement[0].Effect == "Deny"])
    error_message = "Plain HTTP must be refused."
  }
}

run "alarms_at_the_first_dead_letter" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.dead_letters.threshold == 0 && aws_cloudwatch_metric_alarm.dead_letters.dimensions["QueueName"] == "test-dead-letters"
    error_message = "The first dead letter must be heard of."
  }
}

run "alarms_when_leads_keep_waiting_for_the_database" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.put_back.threshold == 0 && aws_cloudwatch_metric_alarm.put_back.dimensions["QueueName"] == "test"
    error_message = "Messages that are put back are new each time: their age tells nothing."
  }
}

run "refuses_a_queue_that_never_retries_enough" {
  command = plan

  variables {
    max_receive_count = 0
  }

  expect_failures = [var.max_receive_count]
}

run "refuses_a_name_too_long_for_its_dead_letters" {
  command = plan

  variables {
    name = "a123456789a123456789a123456789a123456789a123456789a123456789a1234567"
  }

  expect_failures = [var.name]
}

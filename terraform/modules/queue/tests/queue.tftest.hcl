mock_provider "aws" {
  source = "../../mocks"
}

# The mocks have one ARN for all queues: what names the other queue would go unnoticed.
override_resource {
  target = aws_sqs_queue.dead_letters
  values = { arn = "arn:aws:sqs:eu-central-1:123456789012:mock-dead-letters" }
}

variables {
  name        = "test"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/messages"
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
    condition     = aws_sqs_queue.this.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead_letters.kms_master_key_id == var.kms_key_arn
    error_message = "Leads must be encrypted at rest, with the given key."
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

run "refuses_plain_http_and_nothing_else" {
  assert {
    condition     = alltrue([for p in aws_sqs_queue_policy.tls_only : jsondecode(p.policy).Statement[0].Condition == { Bool = { "aws:SecureTransport" = "false" } }])
    error_message = "The policy must deny requests without TLS, and no others."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_policy.tls_only["leads"].policy).Statement[0].Resource == aws_sqs_queue.this.arn && jsondecode(aws_sqs_queue_policy.tls_only["dead_letters"].policy).Statement[0].Resource == aws_sqs_queue.dead_letters.arn
    error_message = "Each policy must name its own queue."
  }

  assert {
    condition     = aws_sqs_queue_policy.tls_only["leads"].queue_url == aws_sqs_queue.this.id && aws_sqs_queue_policy.tls_only["dead_letters"].queue_url == aws_sqs_queue.dead_letters.id
    error_message = "A policy belongs to the other queue."
  }
}

run "moves_failed_messages_of_its_own_queue_alone" {
  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead_letters.arn
    error_message = "Failed messages must become dead letters."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.dead_letters.redrive_allow_policy) == { redrivePermission = "byQueue", sourceQueueArns = [aws_sqs_queue.this.arn] }
    error_message = "Only the queue itself may move its messages."
  }
}

run "passes_its_variables_on" {
  variables {
    visibility_timeout_seconds = 240
    max_receive_count          = 7
    age_alarm_seconds          = 1200
    alarm_topic_arns           = ["arn:aws:sns:eu-central-1:123456789012:alarms"]
  }

  assert {
    condition     = aws_sqs_queue.this.name == "test" && aws_sqs_queue.dead_letters.name == "test-dead-letters"
    error_message = "A queue has another name."
  }

  assert {
    condition     = aws_sqs_queue.this.visibility_timeout_seconds == 240 && jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 7
    error_message = "A limit of the queue is another."
  }

  assert {
    condition     = [aws_cloudwatch_metric_alarm.dead_letters.threshold, aws_cloudwatch_metric_alarm.dead_letters.period, aws_cloudwatch_metric_alarm.dead_letters.evaluation_periods, aws_cloudwatch_metric_alarm.dead_letters.statistic, aws_cloudwatch_metric_alarm.dead_letters.comparison_operator, aws_cloudwatch_metric_alarm.dead_letters.treat_missing_data] == [0, 60, 1, "Maximum", "GreaterThanThreshold", "notBreaching"]
    error_message = "The alarm dead_letters goes off too early or too late."
  }

  assert {
    condition     = [aws_cloudwatch_metric_alarm.requeued.threshold, aws_cloudwatch_metric_alarm.requeued.period, aws_cloudwatch_metric_alarm.requeued.evaluation_periods, aws_cloudwatch_metric_alarm.requeued.statistic, aws_cloudwatch_metric_alarm.requeued.comparison_operator, aws_cloudwatch_metric_alarm.requeued.treat_missing_data] == [0, 60, 5, "Maximum", "GreaterThanThreshold", "notBreaching"]
    error_message = "The alarm requeued goes off too early or too late."
  }

  assert {
    condition     = [aws_cloudwatch_metric_alarm.oldest_message.threshold, aws_cloudwatch_metric_alarm.oldest_message.period, aws_cloudwatch_metric_alarm.oldest_message.evaluation_periods, aws_cloudwatch_metric_alarm.oldest_message.statistic, aws_cloudwatch_metric_alarm.oldest_message.comparison_operator, aws_cloudwatch_metric_alarm.oldest_message.treat_missing_data] == [1200, 60, 5, "Maximum", "GreaterThanThreshold", "notBreaching"]
    error_message = "The alarm oldest_message goes off too early or too late."
  }

  assert {
    condition     = tolist(aws_cloudwatch_metric_alarm.dead_letters.alarm_actions) == tolist(var.alarm_topic_arns) && tolist(aws_cloudwatch_metric_alarm.requeued.alarm_actions) == tolist(var.alarm_topic_arns) && tolist(aws_cloudwatch_metric_alarm.oldest_message.alarm_actions) == tolist(var.alarm_topic_arns)
    error_message = "An alarm reaches nobody."
  }
}

run "takes_nothing_from_a_bucket_by_default" {
  assert {
    condition = alltrue([
      for p in aws_sqs_queue_policy.tls_only : alltrue([for s in jsondecode(p.policy).Statement : s.Effect == "Deny"])
    ])
    error_message = "Without a source bucket, the policies must allow nothing."
  }
}

run "takes_from_the_given_bucket_alone" {
  variables {
    source_bucket = { arn = "arn:aws:s3:::files" }
  }

  assert {
    condition = one([
      for s in jsondecode(aws_sqs_queue_policy.tls_only["leads"].policy).Statement : s if s.Effect == "Allow"
      ]) == {
      Sid       = "TakeFromTheBucket"
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.this.arn
      Condition = {
        ArnEquals    = { "aws:SourceArn" = "arn:aws:s3:::files" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      }
    }
    error_message = "Only S3, for this bucket of this account, may send."
  }

  assert {
    condition     = length(jsondecode(aws_sqs_queue_policy.tls_only["dead_letters"].policy).Statement) == 1
    error_message = "S3 must not send to the dead letters."
  }
}

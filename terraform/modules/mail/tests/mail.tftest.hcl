mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name         = "test-mail"
  from_address = "billing@acme.example"
  kms_key_arn  = "arn:aws:kms:eu-central-1:123456789012:key/messages"
}

run "sends_for_the_domain_with_tls_only" {
  assert {
    condition     = aws_sesv2_email_identity.this.email_identity == "acme.example"
    error_message = "The identity must be the domain of the address."
  }

  assert {
    condition     = aws_sesv2_configuration_set.this.delivery_options[0].tls_policy == "REQUIRE"
    error_message = "A statement must not travel in the clear."
  }

  assert {
    condition     = toset(aws_sesv2_configuration_set.this.suppression_options[0].suppressed_reasons) == toset(["BOUNCE", "COMPLAINT"])
    error_message = "SES must not send again to who complained."
  }
}

run "tells_deliveries_bounces_and_complaints_to_the_queue" {
  assert {
    condition = (
      toset(aws_sesv2_configuration_set_event_destination.events.event_destination[0].matching_event_types) == toset(["BOUNCE", "COMPLAINT", "DELIVERY"])
      && aws_sesv2_configuration_set_event_destination.events.event_destination[0].sns_destination[0].topic_arn == aws_sns_topic.events.arn
      && aws_sns_topic_subscription.events.endpoint == aws_sqs_queue.events.arn
    )
    error_message = "What becomes of a mail must come to the queue."
  }

  assert {
    condition     = aws_sns_topic.events.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.events.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead_letters.kms_master_key_id == var.kms_key_arn
    error_message = "The addresses in the notifications must be encrypted at rest."
  }
}

run "takes_notifications_from_this_configuration_set_alone" {
  assert {
    condition = one(jsondecode(aws_sns_topic_policy.events.policy).Statement) == {
      Sid       = "PublishMailEvents"
      Effect    = "Allow"
      Principal = { Service = "ses.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.events.arn
      Condition = {
        StringEquals = {
          "aws:SourceAccount" = "123456789012"
          "aws:SourceArn"     = aws_sesv2_configuration_set.this.arn
        }
      }
    }
    error_message = "Nobody else may say that a mail bounced."
  }

  assert {
    condition = one([
      for s in jsondecode(aws_sqs_queue_policy.events.policy).Statement : s if s.Effect == "Allow"
      ]) == {
      Sid       = "KeepMailEvents"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.events.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.events.arn } }
    }
    error_message = "Only the topic may write to the queue."
  }
}

run "lets_the_sender_send_from_this_address_alone" {
  assert {
    condition     = output.send_permissions[0].resources == [aws_sesv2_email_identity.this.arn, aws_sesv2_configuration_set.this.arn] && output.send_permissions[0].condition == { StringEquals = { "ses:FromAddress" = "billing@acme.example" } }
    error_message = "The sender may send from other addresses."
  }

  assert {
    condition = toset(flatten([for p in output.send_permissions : p.actions])) == toset([
      "ses:SendEmail", "ses:SendRawEmail", "sqs:DeleteMessage", "sqs:ReceiveMessage",
    ])
    error_message = "The sender gets other rights than it needs."
  }
}

run "reports_notifications_that_were_not_noted" {
  assert {
    condition     = jsondecode(aws_sqs_queue.events.redrive_policy).maxReceiveCount == 5 && aws_cloudwatch_metric_alarm.dead_letters.threshold == 0
    error_message = "What is not understood five times must raise an alarm."
  }
}

run "refuses_links_in_the_clear" {
  command = plan

  variables {
    public_url = "http://billing.acme.example"
  }

  expect_failures = [var.public_url]
}

run "refuses_an_address_without_a_domain" {
  command = plan

  variables {
    from_address = "billing@localhost"
  }

  expect_failures = [var.from_address]
}

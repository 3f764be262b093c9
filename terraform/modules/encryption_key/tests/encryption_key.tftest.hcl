mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "test-data"
  description = "Encrypts what the tests keep"
  services    = ["secretsmanager", "rds"]
}

run "is_used_through_the_given_services_alone" {
  assert {
    condition = one([
      for s in jsondecode(aws_kms_key.this.policy).Statement : s.Condition.StringEquals if s.Sid == "UseThroughServices"
      ]) == {
      "kms:CallerAccount" = "123456789012"
      "kms:ViaService"    = ["rds.eu-central-1.amazonaws.com", "secretsmanager.eu-central-1.amazonaws.com"]
    }
    error_message = "The key must be of use through the given services only, for this account only."
  }

  assert {
    condition     = [for s in jsondecode(aws_kms_key.this.policy).Statement : s.Sid] == ["AdministerByIam", "UseThroughServices"]
    error_message = "Nobody else may use the key."
  }
}

run "is_renewed_every_year_and_not_deleted_at_once" {
  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key must rotate, and a deletion must be found in time."
  }
}

run "lets_the_given_services_send_and_no_others" {
  variables {
    senders = ["events.amazonaws.com"]
  }

  assert {
    condition = one([
      for s in jsondecode(aws_kms_key.this.policy).Statement : s if s.Sid == "SendEncrypted"
      ]) == {
      Sid       = "SendEncrypted"
      Effect    = "Allow"
      Principal = { Service = ["events.amazonaws.com"] }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
    }
    error_message = "A sender may only encrypt what it sends."
  }
}

run "refuses_a_key_for_everything" {
  command = plan

  variables {
    services = []
  }

  expect_failures = [var.services]
}

run "refuses_a_sender_that_is_no_service" {
  command = plan

  variables {
    senders = ["*"]
  }

  expect_failures = [var.senders]
}

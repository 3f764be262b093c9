mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "test-files"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/data"
}

run "is_private_and_encrypted" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Nobody outside may read the files."
  }

  assert {
    condition     = one(aws_s3_bucket_ownership_controls.this.rule).object_ownership == "BucketOwnerEnforced"
    error_message = "No object may have rights of its own."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn
    error_message = "Files must be encrypted at rest, with the given key."
  }

  assert {
    condition = one([
      for s in jsondecode(aws_s3_bucket_policy.tls_only.policy).Statement : s if s.Effect == "Deny"
    ]).Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "The bucket must refuse requests without TLS."
  }
}

run "keeps_exports_longer_than_the_service_and_no_unfinished_upload" {
  assert {
    condition     = one([for r in aws_s3_bucket_lifecycle_configuration.this.rule : one(r.expiration).days if r.id == "delete-old-exports"]) == 8
    error_message = "S3 must delete exports after the service's 7 days."
  }

  assert {
    condition     = one([for r in aws_s3_bucket_lifecycle_configuration.this.rule : one(r.abort_incomplete_multipart_upload).days_after_initiation if r.id == "delete-unfinished-uploads"]) == 1
    error_message = "S3 must delete the parts of unfinished uploads."
  }
}

run "survives_a_destroy_with_files_in_it" {
  assert {
    condition     = !aws_s3_bucket.this.force_destroy
    error_message = "A destroy must not delete files unless it is asked to."
  }

  assert {
    condition     = output.export_arns == ["${aws_s3_bucket.this.arn}/exports/*"]
    error_message = "A task may reach exports only."
  }
}

run "refuses_to_delete_before_the_service" {
  command = plan

  variables {
    export_days = 7
  }

  expect_failures = [var.export_days]
}

run "refuses_a_name_with_a_dot" {
  command = plan

  variables {
    name = "test.files"
  }

  expect_failures = [var.name]
}

run "tells_nobody_of_files_and_takes_none_of_pages_by_default" {
  assert {
    condition     = length(aws_s3_bucket_notification.incoming) == 0 && length(aws_s3_bucket_cors_configuration.uploads) == 0
    error_message = "Without a queue and an origin, there is no notification and no CORS rule."
  }
}

run "tells_the_queue_of_uploaded_and_dropped_files_alone" {
  variables {
    incoming_queue = { arn = "arn:aws:sqs:eu-central-1:123456789012:imports" }
    upload_origins = ["https://billing.example"]
  }

  assert {
    condition     = toset([for q in aws_s3_bucket_notification.incoming["queue"].queue : q.filter_prefix]) == toset(["uploads/", "inbox/"])
    error_message = "An export must cause no message."
  }

  assert {
    condition     = alltrue([for q in aws_s3_bucket_notification.incoming["queue"].queue : q.queue_arn == var.incoming_queue.arn && toset(q.events) == toset(["s3:ObjectCreated:*"])])
    error_message = "The queue must hear of each new file, whatever way it came."
  }

  assert {
    condition     = one(aws_s3_bucket_cors_configuration.uploads["uploads"].cors_rule).allowed_methods == toset(["PUT"])
    error_message = "A page may upload, and nothing else."
  }

  assert {
    condition     = toset([for r in aws_s3_bucket_lifecycle_configuration.this.rule : one(r.filter).prefix if startswith(r.id, "delete-old-files-of-")]) == toset(["uploads/", "inbox/"])
    error_message = "S3 must delete files that were not imported."
  }

}

run "lets_a_task_take_what_was_dropped" {
  assert {
    condition = output.take_permissions == [{
      sid       = "TakeDroppedFiles"
      actions   = ["s3:DeleteObject", "s3:GetObject"]
      resources = ["${aws_s3_bucket.this.arn}/inbox/*"]
    }]
    error_message = "A task may get and delete dropped files, and no more."
  }

  assert {
    condition     = output.upload_arns == ["${aws_s3_bucket.this.arn}/uploads/*"]
    error_message = "A task may reach uploads only."
  }
}

run "refuses_every_site" {
  command = plan

  variables {
    upload_origins = ["https://*"]
  }

  expect_failures = [var.upload_origins]
}

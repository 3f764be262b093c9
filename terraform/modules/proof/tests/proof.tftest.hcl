mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name            = "test"
  signer_role_arn = "arn:aws:iam::123456789012:role/test-close-task"
  kms_key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/data"
}

run "lets_one_role_sign_and_nobody_else" {
  assert {
    condition = [
      for s in jsondecode(aws_cloudformation_stack.signing_key.template_body).Resources.Key.Properties.KeyPolicy.Statement :
      s.Principal if contains(s.Action, "kms:Sign")
    ] == [{ AWS = var.signer_role_arn }]
    error_message = "Only the task that closes months may sign."
  }

  assert {
    condition = !anytrue(flatten([
      for s in jsondecode(aws_cloudformation_stack.signing_key.template_body).Resources.Key.Properties.KeyPolicy.Statement :
      [for action in s.Action : strcontains(action, "*")]
    ]))
    error_message = "A wildcard would let others sign."
  }
}

run "signs_with_ed25519" {
  assert {
    condition = (
      jsondecode(aws_cloudformation_stack.signing_key.template_body).Resources.Key.Properties.KeySpec == "ECC_NIST_EDWARDS25519"
      && jsondecode(aws_cloudformation_stack.signing_key.template_body).Resources.Key.Properties.KeyUsage == "SIGN_VERIFY"
    )
    error_message = "The code signs with Ed25519."
  }
}

run "keeps_heads_where_nobody_changes_them" {
  assert {
    condition = (
      aws_s3_bucket.heads.object_lock_enabled
      && aws_s3_bucket_object_lock_configuration.heads.rule[0].default_retention[0].mode == "COMPLIANCE"
      && aws_s3_bucket_object_lock_configuration.heads.rule[0].default_retention[0].days == 3650
      && aws_s3_bucket_versioning.heads.versioning_configuration[0].status == "Enabled"
    )
    error_message = "Not even the owner of the account may delete a head for ten years."
  }

  assert {
    condition     = !aws_s3_bucket.heads.force_destroy && jsondecode(aws_cloudformation_stack.signing_key.template_body).Resources.Key.DeletionPolicy == "Retain"
    error_message = "A destroy must keep the key and the heads."
  }
}

run "is_private_and_encrypted" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.heads.block_public_acls,
      aws_s3_bucket_public_access_block.heads.block_public_policy,
      aws_s3_bucket_public_access_block.heads.ignore_public_acls,
      aws_s3_bucket_public_access_block.heads.restrict_public_buckets,
    ])
    error_message = "Nobody outside may read the heads."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.heads.rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn
    error_message = "The heads must be encrypted with the given key."
  }
}

run "keeps_no_unfinished_upload" {
  assert {
    condition     = one([for r in aws_s3_bucket_lifecycle_configuration.heads.rule : one(r.abort_incomplete_multipart_upload).days_after_initiation]) == 1
    error_message = "S3 must delete the parts of unfinished uploads."
  }
}

run "gives_the_signer_what_it_needs_and_the_checker_no_writing" {
  assert {
    condition = toset(flatten([for p in output.seal_permissions : p.actions])) == toset([
      "kms:GetPublicKey", "kms:Sign", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions",
      "s3:PutObject",
    ])
    error_message = "The signer gets other rights than it needs: it must not delete or unlock."
  }

  assert {
    condition = toset(flatten([for p in output.check_permissions : p.actions])) == toset([
      "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions",
    ])
    error_message = "The checker must only read."
  }
}

run "can_be_removed_where_that_is_wanted" {
  variables {
    keep_on_destroy = false
    retention_days  = 1
  }

  assert {
    condition = (
      aws_s3_bucket.heads.force_destroy
      && aws_s3_bucket_object_lock_configuration.heads.rule[0].default_retention[0].mode == "GOVERNANCE"
      && jsondecode(aws_cloudformation_stack.signing_key.template_body).Resources.Key.DeletionPolicy == "Delete"
    )
    error_message = "A stack on a developer's machine must leave nothing."
  }
}

run "refuses_more_signers_than_one" {
  command = plan

  variables {
    signer_role_arn = "arn:aws:iam::123456789012:role/*"
  }

  expect_failures = [var.signer_role_arn]
}

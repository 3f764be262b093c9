data "aws_caller_identity" "current" {}

locals {
  account_arn = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"

  key_policy = {
    Version = "2012-10-17"
    Statement = [
      {
        # Everything but signing. Not kms:*, or a policy of IAM could let somebody else sign.
        Sid       = "Administer"
        Effect    = "Allow"
        Principal = { AWS = local.account_arn }
        Action = [
          "kms:CancelKeyDeletion", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey", "kms:GetKeyPolicy",
          "kms:GetKeyRotationStatus", "kms:GetPublicKey", "kms:ListResourceTags", "kms:PutKeyPolicy",
          "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription",
        ]
        Resource = "*"
      },
      {
        Sid       = "Sign"
        Effect    = "Allow"
        Principal = { AWS = var.signer_role_arn }
        Action    = ["kms:GetPublicKey", "kms:Sign"]
        Resource  = "*"
      },
    ]
  }

  read_permissions = [
    {
      sid       = "ReadHeads"
      actions   = ["s3:GetObject", "s3:GetObjectVersion"]
      resources = ["${aws_s3_bucket.heads.arn}/heads/*", "${aws_s3_bucket.heads.arn}/keys/*"]
    },
    {
      sid       = "ListHeads"
      actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
      resources = [aws_s3_bucket.heads.arn]
    },
  ]
}

# By CloudFormation, because aws_kms_key of version 5.100.0 of the provider refuses Ed25519.
resource "aws_cloudformation_stack" "signing_key" {
  name = "${var.name}-signing-key"

  template_body = jsonencode({
    Resources = {
      Key = {
        Type                = "AWS::KMS::Key"
        DeletionPolicy      = var.keep_on_destroy ? "Retain" : "Delete"
        UpdateReplacePolicy = "Retain"
        Properties = {
          Description         = "Signs final reports and heads of ${var.name}"
          KeySpec             = "ECC_NIST_EDWARDS25519"
          KeyUsage            = "SIGN_VERIFY"
          PendingWindowInDays = 30
          KeyPolicy           = local.key_policy
        }
      }
    }
    Outputs = { Arn = { Value = { "Fn::GetAtt" = ["Key", "Arn"] } } }
  })
}

# The second place of heads and public keys: what stands here is not changed, whoever owns the database.
resource "aws_s3_bucket" "heads" {
  bucket              = "${var.name}-heads"
  object_lock_enabled = true
  force_destroy       = !var.keep_on_destroy
}

resource "aws_s3_bucket_versioning" "heads" {
  bucket = aws_s3_bucket.heads.id

  versioning_configuration {
    status = "Enabled"
  }
}

# COMPLIANCE: not even the account's owner deletes an object before its time, or shortens that.
resource "aws_s3_bucket_object_lock_configuration" "heads" {
  bucket = aws_s3_bucket.heads.id

  rule {
    default_retention {
      mode = var.keep_on_destroy ? "COMPLIANCE" : "GOVERNANCE"
      days = var.retention_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.heads]
}

resource "aws_s3_bucket_public_access_block" "heads" {
  bucket = aws_s3_bucket.heads.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "heads" {
  bucket = aws_s3_bucket.heads.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "heads" {
  bucket = aws_s3_bucket.heads.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "heads" {
  bucket = aws_s3_bucket.heads.id

  rule {
    id     = "delete-unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "heads" {
  bucket = aws_s3_bucket.heads.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RefusePlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.heads.arn, "${aws_s3_bucket.heads.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.heads]
}

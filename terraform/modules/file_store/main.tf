locals {
  # What comes in: files that are uploaded to an address of the service, and files that are dropped.
  incoming = ["uploads/", "inbox/"]
}

resource "aws_s3_bucket" "this" {
  bucket        = var.name
  force_destroy = !var.keep_on_destroy
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

# The service deletes an export after 7 days, or when a user in it is erased, and a file that was imported
# at once. S3 deletes what is left.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "delete-old-exports"
    status = "Enabled"

    filter {
      prefix = "exports/"
    }

    expiration {
      days = var.export_days
    }
  }

  rule {
    id     = "delete-old-files-of-uploads"
    status = "Enabled"

    filter {
      prefix = "uploads/"
    }

    expiration {
      days = var.incoming_days
    }
  }

  rule {
    id     = "delete-old-files-of-inbox"
    status = "Enabled"

    filter {
      prefix = "inbox/"
    }

    expiration {
      days = var.incoming_days
    }
  }

  rule {
    id     = "delete-unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "tls_only" {
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RefusePlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_notification" "incoming" {
  for_each = var.incoming_queue == null ? {} : { queue = var.incoming_queue }

  bucket = aws_s3_bucket.this.id

  dynamic "queue" {
    for_each = local.incoming

    content {
      queue_arn     = each.value.arn
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = queue.value
    }
  }
}

# So that the console's page can send a file to an address of the bucket.
resource "aws_s3_bucket_cors_configuration" "uploads" {
  for_each = toset(length(var.upload_origins) == 0 ? [] : ["uploads"])

  bucket = aws_s3_bucket.this.id

  cors_rule {
    allowed_methods = ["PUT"]
    allowed_origins = var.upload_origins
    allowed_headers = ["content-type", "if-none-match", "x-amz-server-side-encryption"]
    max_age_seconds = 600
  }
}

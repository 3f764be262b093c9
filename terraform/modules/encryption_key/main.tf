data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id

  # Who may read a secret, a file or a queue may have its service decrypt it, and nobody uses the key directly.
  use_through_services = {
    Sid       = "UseThroughServices"
    Effect    = "Allow"
    Principal = { AWS = "*" }
    Action    = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    Resource  = "*"
    Condition = {
      StringEquals = {
        "kms:CallerAccount" = local.account_id
        "kms:ViaService"    = [for service in sort(var.services) : "${service}.${data.aws_region.current.id}.amazonaws.com"]
      }
    }
  }

  # Without a condition, which EventBridge does not support here. The policy of the queue or topic says whose events.
  send_encrypted = length(var.senders) == 0 ? [] : [{
    Sid       = "SendEncrypted"
    Effect    = "Allow"
    Principal = { Service = sort(var.senders) }
    Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
    Resource  = "*"
  }]
}

resource "aws_kms_key" "this" {
  description             = var.description
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "AdministerByIam"
          Effect    = "Allow"
          Principal = { AWS = "arn:aws:iam::${local.account_id}:root" }
          Action    = "kms:*"
          Resource  = "*"
        },
        local.use_through_services,
      ],
      local.send_encrypted,
    )
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

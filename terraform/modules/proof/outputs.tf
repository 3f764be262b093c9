output "signing_key_arn" {
  description = "The key, for SIGNING_KMS_KEY of the task that closes months."
  value       = aws_cloudformation_stack.signing_key.outputs["Arn"]
}

output "heads_bucket" {
  description = "Name of the bucket, for HEADS_BUCKET."
  value       = aws_s3_bucket.heads.id
}

output "seal_permissions" {
  description = "What the task that signs needs: to sign, and to write and read heads."
  value = concat(local.read_permissions, [
    {
      sid       = "WriteHeads"
      actions   = ["s3:PutObject"]
      resources = ["${aws_s3_bucket.heads.arn}/heads/*", "${aws_s3_bucket.heads.arn}/keys/*"]
    },
    {
      sid       = "Sign"
      actions   = ["kms:GetPublicKey", "kms:Sign"]
      resources = [aws_cloudformation_stack.signing_key.outputs["Arn"]]
    },
  ])
}

output "check_permissions" {
  description = "What the task that checks needs: to read heads."
  value       = local.read_permissions
}

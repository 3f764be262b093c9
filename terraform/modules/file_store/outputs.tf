output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id
}

output "export_arns" {
  description = "The exported files, for the policy of a task."
  value       = ["${aws_s3_bucket.this.arn}/exports/*"]
}

output "bucket_arn" {
  description = "ARN of the bucket, for the queue that hears of its files."
  value       = aws_s3_bucket.this.arn
}

output "upload_arns" {
  description = "Files that are uploaded to an address of the service, for the policy of a task that signs it."
  value       = ["${aws_s3_bucket.this.arn}/uploads/*"]
}

output "take_permissions" {
  description = "What the task that imports needs besides: to get and delete files of the inbox, and put none there."
  value = [{
    sid       = "TakeDroppedFiles"
    actions   = ["s3:DeleteObject", "s3:GetObject"]
    resources = ["${aws_s3_bucket.this.arn}/inbox/*"]
  }]
}

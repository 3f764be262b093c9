output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id
}

output "export_arns" {
  description = "The exported files, for the policy of a task."
  value       = ["${aws_s3_bucket.this.arn}/exports/*"]
}

output "url" {
  description = "URL of the queue."
  value       = aws_sqs_queue.this.url
}

output "arn" {
  description = "ARN of the queue."
  value       = aws_sqs_queue.this.arn

  # S3 tries a queue before it takes it for its notifications.
  depends_on = [aws_sqs_queue_policy.tls_only]
}

output "visibility_timeout_seconds" {
  description = "Time for which SQS hides a received message."
  value       = aws_sqs_queue.this.visibility_timeout_seconds
}

output "dead_letters_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letters.url
}

output "dead_letters_arn" {
  description = "ARN of the dead-letter queue."
  value       = aws_sqs_queue.dead_letters.arn
}

output "api_id" {
  description = "The API."
  value       = aws_apigatewayv2_api.this.id
}

output "api_endpoint" {
  description = "Where it answers."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "access_log_group_name" {
  description = "Where requests are logged."
  value       = aws_cloudwatch_log_group.access.name
}

output "host" {
  description = "Where PostgreSQL answers."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "The port it answers on."
  value       = aws_db_instance.this.port
}

output "database_name" {
  description = "Name of the database."
  value       = aws_db_instance.this.db_name
}

output "secret_arns" {
  description = "Secret of each part that signs in: migrations (username, password, function_password, service_password), function and service (username, password, user_hash_key)."
  value       = { for part, secret in aws_secretsmanager_secret.this : part => secret.arn }
}

output "identifier" {
  description = "Name of the database instance."
  value       = aws_db_instance.this.identifier
}

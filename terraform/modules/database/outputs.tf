output "host" {
  description = "Host name of PostgreSQL."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port of PostgreSQL."
  value       = aws_db_instance.this.port
}

output "database_name" {
  description = "Name of the database."
  value       = aws_db_instance.this.db_name
}

output "secret_arns" {
  description = "Secret of each part: migrations (username, password, function_password, service_password), function and service (username, password, user_hash_key), and google_key of the function."
  value       = { for part, secret in aws_secretsmanager_secret.this : part => secret.arn }
}

output "identifier" {
  description = "Name of the database instance."
  value       = aws_db_instance.this.identifier
}

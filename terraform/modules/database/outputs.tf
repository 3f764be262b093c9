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

output "secret_arn" {
  description = "Secret with the keys username, password and user_hash_key."
  value       = aws_secretsmanager_secret.this.arn
}

output "identifier" {
  description = "Name of the database instance."
  value       = aws_db_instance.this.identifier
}

output "task_definition_arn" {
  description = "Task definition, with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "role_arns" {
  description = "Roles of the task; to start it, a caller must be allowed to pass them."
  value       = [aws_iam_role.execution.arn, aws_iam_role.task.arn]
}

output "task_role_arn" {
  description = "Role of the container."
  value       = aws_iam_role.task.arn
}

output "container_name" {
  description = "Name of the container, for the overrides of a one-off task."
  value       = var.name
}

output "log_group_name" {
  description = "Log group of the containers."
  value       = aws_cloudwatch_log_group.this.name
}

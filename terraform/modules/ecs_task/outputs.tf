output "task_definition_arn" {
  description = "The task definition with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "role_arns" {
  description = "The roles that a task is started with: whoever starts one hands them over."
  value       = [aws_iam_role.execution.arn, aws_iam_role.task.arn]
}

output "container_name" {
  description = "The container, for a one-off task's overrides."
  value       = var.name
}

output "log_group_name" {
  description = "Where the containers log."
  value       = aws_cloudwatch_log_group.this.name
}

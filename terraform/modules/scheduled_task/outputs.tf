output "command" {
  description = "Command of the schedule, for a run by hand."
  value       = var.command
}

output "schedule_name" {
  description = "Name of the schedule."
  value       = aws_scheduler_schedule.this.name
}

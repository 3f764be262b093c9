output "command" {
  description = "What the schedule runs, for a run by hand."
  value       = local.command
}

output "schedule_name" {
  description = "The schedule."
  value       = aws_scheduler_schedule.this.name
}

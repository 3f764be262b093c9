output "api_id" {
  description = "The API; its address on an emulator is made from it."
  value       = module.api_gateway.api_id
}

output "ingest_function_name" {
  description = "The function behind POST /leads."
  value       = module.ingest.function_name
}

output "cluster_name" {
  description = "The ECS cluster."
  value       = module.cluster.name
}

output "tasks" {
  description = "The reporting image as a task, in the database role of the migrations or of the service."
  value = {
    migrate = {
      definition_arn = module.migrate_task.task_definition_arn
      container_name = module.migrate_task.container_name
      log_group_name = module.migrate_task.log_group_name
    }
    reports = {
      definition_arn = module.reports_task.task_definition_arn
      container_name = module.reports_task.container_name
      log_group_name = module.reports_task.log_group_name
    }
  }
}

output "close_command" {
  description = "What the schedule runs to close the month before."
  value       = module.close_schedule.command
}

output "close_schedule_name" {
  description = "The schedule that does."
  value       = module.close_schedule.schedule_name
}

output "service_name" {
  description = "The ECS service; null when a function serves the reports."
  value       = one(module.reports_service[*].service_name)
}

output "task_subnet_ids" {
  description = "Where one-off tasks run."
  value       = module.network.private_subnet_ids
}

output "task_security_group_ids" {
  description = "What one-off tasks may reach."
  value       = [module.network.security_group_ids["reports"]]
}

output "log_group_names" {
  description = "Logs of each part."
  value = {
    gateway = module.api_gateway.access_log_group_name
    ingest  = module.ingest.log_group_name
    queue   = module.ingest_queue.log_group_name
    reports = local.runs_as_service ? module.reports_task.log_group_name : module.reports_function[0].log_group_name
    migrate = module.migrate_task.log_group_name
  }
}

output "queue_url" {
  description = "Where leads wait while the database is away."
  value       = module.queue.url
}

output "dead_letters_url" {
  description = "Where those end that could not be stored."
  value       = module.queue.dead_letters_url
}

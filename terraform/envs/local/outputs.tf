output "api_id" {
  description = "Id of the API, a part of its URL on an emulator."
  value       = module.api_gateway.api_id
}

output "ingest_function_name" {
  description = "Name of the function that serves POST /leads."
  value       = module.ingest.function_name
}

output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = module.cluster.name
}

output "tasks" {
  description = "Tasks of the reporting image: one with the database role of the migrations, the others with the service's."
  value = {
    for part, task in {
      migrate = module.migrate_task
      reports = module.reports_task
      close   = module.close_task
      verify  = module.verify_task
    } :
    part => {
      definition_arn = task.task_definition_arn
      container_name = task.container_name
      log_group_name = task.log_group_name
    }
  }
}

output "close_command" {
  description = "Command that closes the previous month; the schedule runs it."
  value       = module.close_schedule.command
}

output "close_schedule_name" {
  description = "Name of the schedule that closes months."
  value       = module.close_schedule.schedule_name
}

output "service_name" {
  description = "Name of the ECS service; null if a function serves the reports."
  value       = one(module.reports_service[*].service_name)
}

output "task_subnet_ids" {
  description = "Subnets of one-off tasks."
  value       = module.network.private_subnet_ids
}

output "task_security_group_ids" {
  description = "Security groups of one-off tasks."
  value       = [module.network.security_group_ids["reports"]]
}

output "log_group_names" {
  description = "Log group of each part."
  value = {
    gateway = module.api_gateway.access_log_group_name
    ingest  = module.ingest.log_group_name
    queue   = module.ingest_queue.log_group_name
    reports = local.runs_as_service ? module.reports_task.log_group_name : module.reports_function[0].log_group_name
    migrate = module.migrate_task.log_group_name
    close   = module.close_task.log_group_name
    verify  = module.verify_task.log_group_name
  }
}

output "mail_dns_records" {
  description = "Records for the DNS of the domain that mails are sent from."
  value       = module.mail.dns_records
}

output "queue_url" {
  description = "URL of the spill queue, which keeps leads while the database is away."
  value       = module.queue.url
}

output "incoming_files" {
  description = "Bucket into whose inbox/ files can be dropped, and the queues that hear of them."
  value = {
    bucket           = module.files.bucket
    queue_url        = module.incoming_files.url
    dead_letters_url = module.incoming_files.dead_letters_url
    log_group_name   = module.imports.log_group_name
  }
}

output "dead_letters_url" {
  description = "URL of the dead-letter queue, which keeps leads that the queue worker could not store."
  value       = module.queue.dead_letters_url
}

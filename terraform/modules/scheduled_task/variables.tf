variable "name" {
  description = "Name of the schedule and its role; prefix of its queue and its alarm."
  type        = string
}

variable "description" {
  description = "What the task does, in one line."
  type        = string
}

variable "schedule_expression" {
  description = "When it runs, in UTC, as EventBridge Scheduler writes it, such as cron(30 12 4 * ? *)."
  type        = string

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.schedule_expression))
    error_message = "schedule_expression must be cron(...) or rate(...)."
  }
}

variable "command" {
  description = "Command that the schedule runs. It must be safe to run twice."
  type        = list(string)

  validation {
    condition     = length(var.command) > 0
    error_message = "command must have a word: without one, the image's own command would run."
  }
}

variable "cluster_arn" {
  description = "Cluster of the task."
  type        = string
}

variable "task_definition_arn" {
  description = "Task definition, with its revision."
  type        = string
}

variable "task_role_arns" {
  description = "Roles of the task."
  type        = list(string)
}

variable "container_name" {
  description = "Container of the task that runs the command."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the task."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the task."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts the queue of failed runs; EventBridge must be one of its senders."
  type        = string
}

variable "alarm_topic_arns" {
  description = "SNS topics that receive the alarms."
  type        = list(string)
  default     = []
}

variable "name" {
  description = "Name of the schedule, its role and its queue."
  type        = string
}

variable "grace_days" {
  description = "Days between a month's end and its closing, for its late actions."
  type        = number
  default     = 3

  validation {
    condition     = var.grace_days >= 0 && var.grace_days <= 27 && floor(var.grace_days) == var.grace_days
    error_message = "grace_days must be a whole number from 0 to 27: every month has a 28th day."
  }
}

variable "command" {
  description = "What closes, in the container; {grace_days} in it stands for the number."
  type        = list(string)

  validation {
    condition     = length(var.command) > 0 && contains(var.command, "{grace_days}")
    error_message = "command must be told {grace_days}: schedule and command must mean the same month."
  }
}

variable "cluster_arn" {
  description = "Cluster that the task runs in."
  type        = string
}

variable "task_definition_arn" {
  description = "The task, with its revision."
  type        = string
}

variable "task_role_arns" {
  description = "The roles that the task is started with."
  type        = list(string)
}

variable "container_name" {
  description = "The task's container."
  type        = string
}

variable "subnet_ids" {
  description = "Where the task runs."
  type        = list(string)
}

variable "security_group_ids" {
  description = "What the task may reach."
  type        = list(string)
}

variable "alarm_topic_arns" {
  description = "Who is told that a run was not started."
  type        = list(string)
  default     = []
}

variable "name" {
  description = "Name of the schedule and its role; prefix of its queue and its alarm."
  type        = string
}

variable "grace_days" {
  description = "Days between the end of a month and its closing, in which late actions may still arrive."
  type        = number
  default     = 3

  validation {
    condition     = var.grace_days >= 0 && var.grace_days <= 27 && floor(var.grace_days) == var.grace_days
    error_message = "grace_days must be a whole number from 0 to 27: every month has a 28th day."
  }
}

variable "command" {
  description = "Command that closes the month; the schedule replaces {grace_days} by the number."
  type        = list(string)

  validation {
    condition     = length(var.command) > 0 && contains(var.command, "{grace_days}")
    error_message = "command must contain {grace_days}: schedule and command must mean the same month."
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

variable "alarm_topic_arns" {
  description = "SNS topics that receive the alarms."
  type        = list(string)
  default     = []
}

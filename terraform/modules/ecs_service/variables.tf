variable "name" {
  description = "Name of the service, its load balancer and its target group."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]$", var.name))
    error_message = "name must be 2 to 32 characters of a-z, 0-9 and -, with no - at either end: the load balancer's rule."
  }
}

variable "cluster_arn" {
  description = "Cluster to run in."
  type        = string
}

variable "cluster_name" {
  description = "Name of that cluster."
  type        = string
}

variable "task_definition_arn" {
  description = "What to run."
  type        = string
}

variable "container_name" {
  description = "Container that takes the traffic."
  type        = string
}

variable "port" {
  description = "Port that container listens on."
  type        = number
  default     = 8000
}

variable "vpc_id" {
  description = "VPC of the load balancer's targets."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the tasks and the load balancer, in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must hold at least two subnets: a load balancer wants two zones."
  }
}

variable "security_group_ids" {
  description = "Security groups of the tasks."
  type        = list(string)
}

variable "load_balancer_security_group_ids" {
  description = "Security groups of the load balancer."
  type        = list(string)
}

variable "health_path" {
  description = "Path that answers 200 while the process lives. Not one that asks the database: every task would be replaced when that is away."
  type        = string
  default     = "/health/live"

  validation {
    condition     = startswith(var.health_path, "/")
    error_message = "health_path must begin with a slash."
  }
}

variable "task_count" {
  description = "Tasks to begin with."
  type        = number
  default     = 2
}

variable "autoscaling" {
  description = "Bounds of the number of tasks, and the processor load it aims at; null keeps task_count."
  type = object({
    min_tasks   = number
    max_tasks   = number
    cpu_percent = number
  })
  default = {
    min_tasks   = 2
    max_tasks   = 6
    cpu_percent = 60
  }

  validation {
    condition     = var.autoscaling == null ? true : var.autoscaling.min_tasks >= 1 && var.autoscaling.max_tasks >= var.autoscaling.min_tasks
    error_message = "autoscaling needs 1 <= min_tasks <= max_tasks."
  }
}

variable "drain_seconds" {
  description = "Time that a leaving task still answers requests under way; shorter than its stop timeout."
  type        = number
  default     = 20
}

variable "keep_on_destroy" {
  description = "Protects the load balancer from deletion."
  type        = bool
  default     = true
}

variable "alarm_topic_arns" {
  description = "SNS topics that hear of alarms."
  type        = list(string)
  default     = []
}

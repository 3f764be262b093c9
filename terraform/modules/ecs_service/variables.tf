variable "name" {
  description = "Name of the service, its load balancer and its target group."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]$", var.name))
    error_message = "name must have 2 to 32 letters, digits and -, without - at either end: a rule of load balancers."
  }
}

variable "cluster_arn" {
  description = "ARN of the cluster."
  type        = string
}

variable "cluster_name" {
  description = "Name of the cluster."
  type        = string
}

variable "task_definition_arn" {
  description = "Task definition, with its revision."
  type        = string
}

variable "container_name" {
  description = "Container that receives the requests."
  type        = string
}

variable "port" {
  description = "Port on which the container listens."
  type        = number
  default     = 8000
}

variable "vpc_id" {
  description = "VPC of the tasks."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the tasks and the load balancer, in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must have at least two subnets: a load balancer needs two zones."
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
  description = "Path that answers 200 while the process runs. It must not depend on the database: ECS would replace every task while the database is away."
  type        = string
  default     = "/health/live"

  validation {
    condition     = startswith(var.health_path, "/")
    error_message = "health_path must begin with a slash."
  }
}

variable "task_count" {
  description = "Initial number of tasks."
  type        = number
  default     = 2
}

variable "autoscaling" {
  description = "Bounds for the number of tasks, and the target for their CPU load; null keeps task_count."
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
  description = "Time in which a stopping task finishes its requests; it must be shorter than the task's stop timeout."
  type        = number
  default     = 20
}

variable "keep_on_destroy" {
  description = "Whether to protect the load balancer from deletion."
  type        = bool
  default     = true
}

variable "alarm_topic_arns" {
  description = "SNS topics that receive the alarms."
  type        = list(string)
  default     = []
}

variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 characters of a-z, 0-9, _ and -."
  }
}

variable "description" {
  description = "What the function does, in a line."
  type        = string
}

variable "package_path" {
  description = "The zip with the code and its packages."
  type        = string

  validation {
    condition     = fileexists(var.package_path)
    error_message = "package_path must be a file that exists; `make package` builds it."
  }
}

variable "handler" {
  description = "What Lambda calls, as module.function."
  type        = string
}

variable "runtime" {
  description = "Lambda's Python; the zip must be built for it."
  type        = string
  default     = "python3.13"

  validation {
    condition     = can(regex("^python3\\.1[1-9]$", var.runtime))
    error_message = "runtime must be python3.11 or newer."
  }
}

variable "architecture" {
  description = "Processor the zip was built for."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "environment" {
  description = "Environment of the function. No secrets: name their ARN and list it in secret_arns."
  type        = map(string)
  default     = {}
}

variable "subnet_ids" {
  description = "Private subnets the function runs in."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the function."
  type        = list(string)
}

variable "secret_arns" {
  description = "Secrets the function may read."
  type        = list(string)
  default     = []
}

variable "send_queue_arns" {
  description = "Queues the function may send to."
  type        = list(string)
  default     = []
}

variable "source_queue" {
  description = "Queue whose messages the function is called with, at most maximum_concurrency batches at once; null for none."
  type        = object({ arn = string, visibility_timeout_seconds = number, maximum_concurrency = optional(number, 2) })
  default     = null

  validation {
    condition     = try(var.source_queue.maximum_concurrency, 2) >= 2
    error_message = "source_queue.maximum_concurrency must be at least 2, as Lambda demands."
  }
}

variable "timeout_seconds" {
  description = "Longest run. Behind an HTTP API more than 29 is of no use."
  type        = number
  default     = 29

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "timeout_seconds must be 1 to 900."
  }
}

variable "memory_mebibytes" {
  description = "Memory; the processor's share grows with it."
  type        = number
  default     = 512
}

variable "concurrency_limit" {
  description = "Runs at the same time; each holds one database connection."
  type        = number
  default     = 20

  validation {
    condition     = var.concurrency_limit >= 1
    error_message = "concurrency_limit must be at least 1: without a limit a burst takes every database connection."
  }
}

variable "trace" {
  description = "Whether the function sends X-Ray traces."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
}

variable "alarm_topic_arns" {
  description = "SNS topics that hear of alarms."
  type        = list(string)
  default     = []
}

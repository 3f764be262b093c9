variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "name must have 1 to 64 letters, digits, _ and -."
  }
}

variable "description" {
  description = "Purpose of the function, in one line."
  type        = string
}

variable "package_path" {
  description = "Path of the zip with the code and its packages."
  type        = string

  validation {
    condition     = fileexists(var.package_path)
    error_message = "package_path must be an existing file; `make package` builds it."
  }
}

variable "handler" {
  description = "Function that Lambda calls, as module.function."
  type        = string
}

variable "runtime" {
  description = "Python version of Lambda and of the zip."
  type        = string
  default     = "python3.13"

  validation {
    condition     = can(regex("^python3\\.1[1-9]$", var.runtime))
    error_message = "runtime must be python3.11 or newer."
  }
}

variable "architecture" {
  description = "Processor of the zip: x86_64 or arm64."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "environment" {
  description = "Environment variables of the function. They must not contain secrets: pass the ARN, and list it in secret_arns."
  type        = map(string)
  default     = {}
}

variable "subnet_ids" {
  description = "Private subnets of the function; empty: outside the VPC, with a way to the internet and none to the VPC."
  type        = list(string)
  default     = []
}

variable "security_group_ids" {
  description = "Security groups of the function; empty outside the VPC."
  type        = list(string)
  default     = []
}

variable "secret_arns" {
  description = "Secrets that the function may read."
  type        = list(string)
  default     = []
}

variable "send_queue_arns" {
  description = "Queues to which the function may send."
  type        = list(string)
  default     = []
}

variable "invoke_function_arns" {
  description = "Functions that the function may call."
  type        = list(string)
  default     = []
}

variable "source_queue" {
  description = "Queue whose messages the function receives, at most maximum_concurrency batches at once; null for none."
  type        = object({ arn = string, visibility_timeout_seconds = number, maximum_concurrency = optional(number, 2) })
  default     = null

  validation {
    condition     = try(var.source_queue.maximum_concurrency, 2) >= 2
    error_message = "source_queue.maximum_concurrency must be at least 2, the minimum of Lambda."
  }
}

variable "timeout_seconds" {
  description = "Time limit of a call. An HTTP API waits at most 29 seconds."
  type        = number
  default     = 29

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "timeout_seconds must be 1 to 900."
  }
}

variable "memory_mebibytes" {
  description = "Memory of the function; its share of the processor grows with it."
  type        = number
  default     = 512
}

variable "concurrency_limit" {
  description = "Calls at the same time; each needs one database connection."
  type        = number
  default     = 20

  validation {
    condition     = var.concurrency_limit >= 1
    error_message = "concurrency_limit must be at least 1: without a limit, a burst takes all database connections."
  }
}

variable "trace" {
  description = "Whether the function sends X-Ray traces."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the logs."
  type        = number
  default     = 30
}

variable "alarm_topic_arns" {
  description = "SNS topics that receive the alarms."
  type        = list(string)
  default     = []
}

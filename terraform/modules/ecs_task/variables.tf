variable "name" {
  description = "Name of the task, its container, its roles and its log group."
  type        = string
}

variable "image" {
  description = "Image of the container, with a tag that names its content."
  type        = string

  validation {
    condition     = can(regex(":[^:/]+$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image must carry a tag other than latest: a task definition must always start the same code."
  }
}

variable "repository_arn" {
  description = "ECR repository of the image; null for an image that needs no signing in."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Processor the image was built for."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "command" {
  description = "What the container runs; null for what its image names."
  type        = list(string)
  default     = null
}

variable "server" {
  description = "Port the container listens on, and the command that fails when it no longer answers; null for a task that ends by itself."
  type        = object({ port = optional(number, 8000), health_command = list(string) })
  default     = null
}

variable "environment" {
  description = "Environment of the container."
  type        = map(string)
  default     = {}
}

variable "trace_daemon_image" {
  description = "Image of the X-Ray daemon to run beside the container, which then sends its traces; null for neither."
  type        = string
  default     = null
}

variable "secret_arn" {
  description = "Secret whose fields the container gets."
  type        = string
}

variable "secret_fields" {
  description = "Environment variable to field of the secret."
  type        = map(string)
  default     = {}
}

variable "cpu_units" {
  description = "1024 are one processor."
  type        = number
  default     = 256

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu_units)
    error_message = "cpu_units must be 256, 512, 1024, 2048 or 4096: Fargate has no others below 8 processors."
  }
}

variable "memory_mebibytes" {
  description = "Memory of the task."
  type        = number
  default     = 512
}

variable "stop_timeout_seconds" {
  description = "Time to finish requests after SIGTERM."
  type        = number
  default     = 30

  validation {
    condition     = var.stop_timeout_seconds >= 2 && var.stop_timeout_seconds <= 120
    error_message = "stop_timeout_seconds must be 2 to 120: Fargate waits no longer."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
}

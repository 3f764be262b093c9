variable "name" {
  description = "Name of the task and its container; part of the names of its roles and its log group."
  type        = string
}

variable "image" {
  description = "Image of the container, with a tag that identifies the content."
  type        = string

  validation {
    condition     = can(regex(":[^:/]+$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image must have a tag other than latest: a task definition must always start the same code."
  }
}

variable "repository_arn" {
  description = "ECR repository of the image; null for an image without a login."
  type        = string
  default     = null
}

variable "architecture" {
  description = "Processor of the image: x86_64 or arm64."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "command" {
  description = "Command of the container; null for the image's own command."
  type        = list(string)
  default     = null
}

variable "server" {
  description = "Port on which the container listens, and its health check; null for a task that ends by itself."
  type        = object({ port = optional(number, 8000), health_command = list(string) })
  default     = null
}

variable "environment" {
  description = "Environment variables of the container."
  type        = map(string)
  default     = {}
}

variable "trace_daemon_image" {
  description = "Image of the X-Ray daemon that runs beside the container and sends its traces; null for no traces."
  type        = string
  default     = null
}

variable "secret_arn" {
  description = "Secret with the fields for the container."
  type        = string
}

variable "secret_fields" {
  description = "Fields of the secret, by the environment variables that receive them."
  type        = map(string)
  default     = {}
}

variable "invoke_function_arns" {
  description = "Functions that the container may call."
  type        = list(string)
  default     = []
}

variable "file_arns" {
  description = "Objects of S3 that the container may put, get and delete, such as arn:aws:s3:::files/exports/*."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.file_arns : can(regex("^arn:[^*]+/[^*]+/\\*$", arn))])
    error_message = "file_arns must name a bucket and a folder in it."
  }
}

variable "permissions" {
  description = "What else the container may do, as other modules put it out."
  type = list(object({
    sid       = string
    actions   = list(string)
    resources = list(string)
    condition = optional(map(map(string)))
  }))
  default = []

  validation {
    condition     = alltrue(flatten([for permission in var.permissions : [for action in permission.actions : !strcontains(action, "*")]]))
    error_message = "permissions must name each action."
  }
}

variable "scratch_folder" {
  description = "Folder in which the container may write while it runs, such as /tmp; null: none."
  type        = string
  default     = null
}

variable "cpu_units" {
  description = "Share of the processor; 1024 units are one vCPU."
  type        = number
  default     = 256

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu_units)
    error_message = "cpu_units must be 256, 512, 1024, 2048 or 4096, the sizes of Fargate below 8 vCPU."
  }
}

variable "memory_mebibytes" {
  description = "Memory of the task."
  type        = number
  default     = 512
}

variable "stop_timeout_seconds" {
  description = "Time in which the container finishes its requests after SIGTERM."
  type        = number
  default     = 30

  validation {
    condition     = var.stop_timeout_seconds >= 2 && var.stop_timeout_seconds <= 120
    error_message = "stop_timeout_seconds must be 2 to 120, the limits of Fargate."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the logs."
  type        = number
  default     = 30
}

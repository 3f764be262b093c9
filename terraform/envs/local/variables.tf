variable "emulator_url" {
  description = "Where the emulator answers."
  type        = string
  default     = "http://127.0.0.1:4566"

  validation {
    condition     = can(regex("^http://(127\\.0\\.0\\.1|localhost)(:[0-9]+)?$", var.emulator_url))
    error_message = "emulator_url must be http on this machine: this environment uses test credentials and never AWS."
  }
}

variable "region" {
  description = "Region the emulator pretends to be."
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "Prefix of every name."
  type        = string
  default     = "lead-billing"
}

variable "reports_runtime" {
  description = "What serves the reports: fargate, or lambda for no running container."
  type        = string
  default     = "fargate"

  validation {
    condition     = contains(["fargate", "lambda"], var.reports_runtime)
    error_message = "reports_runtime must be fargate or lambda."
  }
}

variable "reports_image" {
  description = "Image of the reporting service, as `make image` prints it."
  type        = string
}

variable "ingest_package" {
  description = "Zip of the ingest function, as `make package` builds it."
  type        = string
}

variable "reports_package" {
  description = "Zip of the reporting service as a function, as `make package` builds it."
  type        = string
}

variable "lambda_runtime" {
  description = "Python of the functions; the zips are built for it."
  type        = string
}

variable "architecture" {
  description = "Processor of this machine: x86_64 or arm64."
  type        = string
  default     = "x86_64"
}

variable "postgres_major_version" {
  description = "PostgreSQL's major version."
  type        = number
  default     = 15
}

variable "database_password" {
  description = "Password of the role that owns the tables; made anew for each stack."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "function_password" {
  description = "Password of the function's database role; made anew for each stack."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "service_password" {
  description = "Password of the service's database role; made anew for each stack."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "user_hash_key" {
  description = "Key that hides who a user is; made anew for each stack."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "missing_user" {
  description = "Whom a lead without a user is billed under: per_customer or per_lead."
  type        = string
  default     = "per_customer"
}

variable "requests_per_second_of_a_key" {
  description = "What each process lets one API key make in a second, twice as many at once; more is answered 429."
  type        = number
  default     = 50

  validation {
    condition     = var.requests_per_second_of_a_key >= 1 && floor(var.requests_per_second_of_a_key) == var.requests_per_second_of_a_key
    error_message = "requests_per_second_of_a_key must be a whole number of at least 1: a deployment has a limit."
  }
}

variable "trace" {
  description = "Whether the functions send X-Ray traces."
  type        = bool
  default     = false
}

variable "trace_daemon_image" {
  description = "Image of the X-Ray daemon to run beside the service, which then sends its traces too; null for neither."
  type        = string
  default     = null
}

variable "close_grace_days" {
  description = "Days between a month's end and its scheduled closing."
  type        = number
  default     = 3

  validation {
    condition     = var.close_grace_days >= 0 && var.close_grace_days <= 27 && floor(var.close_grace_days) == var.close_grace_days
    error_message = "close_grace_days must be a whole number from 0 to 27: every month has a 28th day."
  }
}

variable "autoscaling" {
  description = "Whether the emulator knows Application Auto Scaling (MiniStack does not)."
  type        = bool
  default     = false
}

variable "emulator_url" {
  description = "URL of the emulator."
  type        = string
  default     = "http://127.0.0.1:4566"

  validation {
    condition     = can(regex("^http://(127\\.0\\.0\\.1|localhost)(:[0-9]+)?$", var.emulator_url))
    error_message = "emulator_url must be http on this machine: this environment uses test credentials, not AWS."
  }
}

variable "region" {
  description = "Region that the emulator imitates."
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "lead-billing"
}

variable "reports_runtime" {
  description = "Runtime of the reporting service: fargate (containers) or lambda (a function)."
  type        = string
  default     = "fargate"

  validation {
    condition     = contains(["fargate", "lambda"], var.reports_runtime)
    error_message = "reports_runtime must be fargate or lambda."
  }
}

variable "reports_image" {
  description = "Image of the reporting service, from `make image`."
  type        = string
}

variable "ingest_package" {
  description = "Zip of the ingest function, from `make package`."
  type        = string
}

variable "reports_package" {
  description = "Zip of the reporting service as a function, from `make package`."
  type        = string
}

variable "lambda_runtime" {
  description = "Python version of the functions and their zips."
  type        = string
}

variable "architecture" {
  description = "Processor of this machine: x86_64 or arm64."
  type        = string
  default     = "x86_64"
}

variable "postgres_major_version" {
  description = "Major version of PostgreSQL."
  type        = number
  default     = 15
}

variable "database_password" {
  description = "Password of the role that owns the tables; each stack creates its own."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "function_password" {
  description = "Password of the function's database role; each stack creates its own."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "service_password" {
  description = "Password of the service's database role; each stack creates its own."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "user_hash_key" {
  description = "Key with which users are hashed; each stack creates its own."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "google_key" {
  description = "Secret that webhooks of Google Ads send in place of an API key; empty: they need an API key."
  type        = string
  default     = ""
  sensitive   = true
  ephemeral   = true
}

variable "missing_user" {
  description = "Billing of leads without a user: per_customer (one user for all) or per_lead (one user each)."
  type        = string
  default     = "per_customer"
}

variable "units_per_minute_of_a_key" {
  description = "Units of work that each process gives one API key a minute (docs/api.md, Limits); more get 429."
  type        = number
  default     = 6000

  validation {
    condition     = var.units_per_minute_of_a_key >= 25 && floor(var.units_per_minute_of_a_key) == var.units_per_minute_of_a_key
    error_message = "units_per_minute_of_a_key must be a whole number of at least 25, what a file costs: a deployment needs a limit."
  }
}

variable "trace" {
  description = "Whether the functions send X-Ray traces."
  type        = bool
  default     = false
}

variable "trace_daemon_image" {
  description = "Image of the X-Ray daemon that runs beside the service and sends its traces; null for no traces."
  type        = string
  default     = null
}

variable "close_grace_days" {
  description = "Days between the end of a month and its scheduled closing."
  type        = number
  default     = 3

  validation {
    condition     = var.close_grace_days >= 0 && var.close_grace_days <= 27 && floor(var.close_grace_days) == var.close_grace_days
    error_message = "close_grace_days must be a whole number from 0 to 27: every month has a 28th day."
  }
}

variable "autoscaling" {
  description = "Whether the emulator has Application Auto Scaling (MiniStack lacks it)."
  type        = bool
  default     = false
}

variable "issuer" {
  description = "Who bills. With an address and a number pattern, such as {year}-{number:5}, statements are titled Invoice."

  type = object({
    name           = optional(string, "Lead Billing Engine")
    address        = optional(string, "")
    tax_id         = optional(string, "")
    number_pattern = optional(string, "")
  })
  default = {}

  validation {
    condition     = var.issuer.number_pattern == "" || can(regex("\\{number(:[0-9]+)?\\}", var.issuer.number_pattern))
    error_message = "issuer.number_pattern must hold {number}: two statements must not share a number."
  }
}

variable "mail_from" {
  description = "Address that statements are sent from."
  type        = string
  default     = "billing@lead-billing.example"
}

variable "signatures" {
  description = "Whether final reports are signed: LocalStack has no keys of Ed25519 (not seen in 4.14)."
  type        = bool
  default     = true
}

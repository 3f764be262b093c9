variable "name" {
  description = "Name of the instance and prefix of all names in this module."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must have at least two subnets: RDS needs two zones."
  }
}

variable "security_group_ids" {
  description = "Security groups of the database."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts the storage, the backups and the secrets."
  type        = string
}

variable "postgres_major_version" {
  description = "Major version of PostgreSQL."
  type        = number
  default     = 16

  validation {
    condition     = var.postgres_major_version >= 15
    error_message = "postgres_major_version must be 15 or newer: the statements use features of 15."
  }
}

variable "instance_class" {
  description = "Instance class."
  type        = string
  default     = "db.t4g.micro"
}

variable "storage_gibibytes" {
  description = "Initial storage; RDS enlarges it to at most five times as much."
  type        = number
  default     = 20

  validation {
    condition     = var.storage_gibibytes >= 20
    error_message = "storage_gibibytes must be at least 20, the smallest gp3 volume of RDS."
  }
}

variable "database_name" {
  description = "Name of the database."
  type        = string
  default     = "lead_billing"
}

variable "username" {
  description = "Role that owns the tables; only migrations use it."
  type        = string
  default     = "lead_billing"
}

variable "password" {
  description = "Password of the role that owns the tables. Terraform does not store it in the state."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.password) >= 16 && can(regex("^[^/@\" ]*$", var.password))
    error_message = "password must have 16 or more characters without / @ \" and spaces, which RDS refuses."
  }
}

variable "function_password" {
  description = "Password of the function's role, which the migrations set. Terraform does not store it in the state."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.function_password) >= 16
    error_message = "function_password must have 16 or more characters."
  }
}

variable "service_password" {
  description = "Password of the service's role, which the migrations set. Terraform does not store it in the state."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.service_password) >= 16
    error_message = "service_password must have 16 or more characters."
  }
}

variable "user_hash_key" {
  description = "Key with which users are hashed. It must never change while its data exists. Terraform does not store it in the state."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.user_hash_key) >= 32
    error_message = "user_hash_key must have 32 or more characters."
  }
}

variable "google_key" {
  description = "Secret that webhooks of Google Ads send in place of an API key; empty: they need an API key. Terraform does not store it in the state."
  type        = string
  default     = ""
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = var.google_key == "" || length(var.google_key) >= 16
    error_message = "google_key must be empty or have 16 or more characters."
  }
}

variable "password_version" {
  description = "Increase it after a change of passwords, so that Terraform writes them; then run the migrations, which set them."
  type        = number
  default     = 1
}

variable "multi_az" {
  description = "Whether RDS runs a standby in a second zone."
  type        = bool
  default     = true
}

variable "backup_retention_days" {
  description = "Days that RDS keeps automatic backups."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "backup_retention_days must be 1 to 35: bills need backups."
  }
}

variable "keep_on_destroy" {
  description = "Whether to protect the instance from deletion, take a final snapshot, and keep deleted secrets for 30 days."
  type        = bool
  default     = true
}

variable "slow_statement_milliseconds" {
  description = "PostgreSQL logs statements that take longer."
  type        = number
  default     = 500
}

variable "free_storage_alarm_percent" {
  description = "Alarm if less than this share of the storage is free."
  type        = number
  default     = 20
}

variable "alarm_topic_arns" {
  description = "SNS topics that receive the alarms."
  type        = list(string)
  default     = []
}

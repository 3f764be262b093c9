variable "name" {
  description = "Prefix of every name in this module, and the instance's own."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must hold at least two subnets: RDS wants two zones."
  }
}

variable "security_group_ids" {
  description = "Security groups of the database."
  type        = list(string)
}

variable "postgres_major_version" {
  description = "PostgreSQL's major version."
  type        = number
  default     = 16

  validation {
    condition     = var.postgres_major_version >= 15
    error_message = "postgres_major_version must be 15 or newer: the statements use what 15 brought."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
  default     = "db.t4g.micro"
}

variable "storage_gibibytes" {
  description = "Storage to begin with; it grows by itself to five times as much."
  type        = number
  default     = 20

  validation {
    condition     = var.storage_gibibytes >= 20
    error_message = "storage_gibibytes must be at least 20, the smallest gp3 volume RDS offers."
  }
}

variable "database_name" {
  description = "Name of the database."
  type        = string
  default     = "lead_billing"
}

variable "username" {
  description = "The role that owns the tables, for migrations alone."
  type        = string
  default     = "lead_billing"
}

variable "password" {
  description = "Password of that role. Never stored in the state."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.password) >= 16 && can(regex("^[^/@\" ]*$", var.password))
    error_message = "password must have 16 or more characters, none of them / @ \" or a space (RDS refuses those)."
  }
}

variable "function_password" {
  description = "Password of the function's role, which migrations give it. Never stored in the state."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.function_password) >= 16
    error_message = "function_password must have 16 or more characters."
  }
}

variable "service_password" {
  description = "Password of the service's role, which migrations give it. Never stored in the state."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.service_password) >= 16
    error_message = "service_password must have 16 or more characters."
  }
}

variable "user_hash_key" {
  description = "Key that turns a user into what they are billed under. Never stored in the state, and never changed while its data lives."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.user_hash_key) >= 32
    error_message = "user_hash_key must have 32 or more characters."
  }
}

variable "password_version" {
  description = "Raise it to have changed passwords written; then run the migrations, which give the roles theirs."
  type        = number
  default     = 1
}

variable "multi_az" {
  description = "A standby in a second zone."
  type        = bool
  default     = true
}

variable "backup_retention_days" {
  description = "Days that automatic backups are kept."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "backup_retention_days must be 1 to 35: bills are never without a backup."
  }
}

variable "keep_on_destroy" {
  description = "Protects from deletion, takes a last snapshot and lets the secrets be restored for 30 days."
  type        = bool
  default     = true
}

variable "slow_statement_milliseconds" {
  description = "Statements slower than this are logged."
  type        = number
  default     = 500
}

variable "free_storage_alarm_percent" {
  description = "Alarm when less than this share of the storage is free."
  type        = number
  default     = 20
}

variable "alarm_topic_arns" {
  description = "SNS topics that hear of alarms."
  type        = list(string)
  default     = []
}

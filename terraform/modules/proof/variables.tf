variable "name" {
  description = "Prefix of the names; no other bucket of any AWS account may have it with -heads."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,56}$", var.name))
    error_message = "name must have 2 to 57 lower-case letters, digits and -: a bucket's name has at most 63."
  }
}

variable "signer_role_arn" {
  description = "Role of the task that closes months, the only one that may sign."
  type        = string

  validation {
    condition     = can(regex("^arn:aws:iam::[0-9]+:role/[^*]+$", var.signer_role_arn))
    error_message = "signer_role_arn must be one role."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the heads at rest."
  type        = string
}

variable "retention_days" {
  description = "Days for which nobody changes or deletes a head."
  type        = number
  default     = 3650

  validation {
    condition     = var.retention_days >= 1 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be a whole number of at least 1."
  }
}

variable "keep_on_destroy" {
  description = "Whether a destroy keeps the signing key, and fails while there are heads."
  type        = bool
  default     = true
}

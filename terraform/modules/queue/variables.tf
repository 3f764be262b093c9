variable "name" {
  description = "Name of the queue; its dead-letter queue has the same name with -dead-letters."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,67}$", var.name))
    error_message = "name must have 1 to 67 letters, digits, _ and -: SQS allows 80 characters, and -dead-letters has 13."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the messages."
  type        = string
}

variable "visibility_timeout_seconds" {
  description = "Time for which SQS hides a received message; AWS recommends six times the timeout of the consumer."
  type        = number
  default     = 180

  validation {
    condition     = var.visibility_timeout_seconds >= 0 && var.visibility_timeout_seconds <= 43200
    error_message = "visibility_timeout_seconds must be 0 to 43200 (12 hours)."
  }
}

variable "max_receive_count" {
  description = "Number of failures after which SQS moves a message to the dead-letter queue."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 1 && var.max_receive_count <= 1000
    error_message = "max_receive_count must be 1 to 1000."
  }
}

variable "source_bucket" {
  description = "Bucket of this account that may tell the queue of its files; null for none."
  type        = object({ arn = string })
  default     = null
}

variable "age_alarm_seconds" {
  description = "Alarm if a message is older."
  type        = number
  default     = 900
}

variable "alarm_topic_arns" {
  description = "SNS topics that receive the alarms."
  type        = list(string)
  default     = []
}

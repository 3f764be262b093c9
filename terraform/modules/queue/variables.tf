variable "name" {
  description = "Name of the queue; its dead-letter queue has -dead-letters behind it."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,67}$", var.name))
    error_message = "name must be 1 to 67 characters of a-z, 0-9, _ and -: SQS allows 80, -dead-letters takes 13."
  }
}

variable "visibility_timeout_seconds" {
  description = "How long a received message is hidden; six times the consumer's timeout, as AWS advises."
  type        = number
  default     = 180

  validation {
    condition     = var.visibility_timeout_seconds >= 0 && var.visibility_timeout_seconds <= 43200
    error_message = "visibility_timeout_seconds must be 0 to 43200 (12 hours)."
  }
}

variable "max_receive_count" {
  description = "Failures after which a message goes to the dead-letter queue."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 1 && var.max_receive_count <= 1000
    error_message = "max_receive_count must be 1 to 1000."
  }
}

variable "age_alarm_seconds" {
  description = "Alarm when a message has waited this long."
  type        = number
  default     = 900
}

variable "alarm_topic_arns" {
  description = "SNS topics that hear of alarms."
  type        = list(string)
  default     = []
}

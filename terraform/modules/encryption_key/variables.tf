variable "name" {
  description = "Name of the key's alias."
  type        = string
}

variable "description" {
  description = "What the key encrypts, in one line."
  type        = string
}

variable "services" {
  description = "Services of AWS that use the key for whoever may use their resources, such as secretsmanager."
  type        = set(string)

  validation {
    condition     = length(var.services) > 0 && alltrue([for service in var.services : can(regex("^[a-z0-9-]+$", service))])
    error_message = "services must name services as in their addresses, such as rds: without one, anybody of the account could use the key directly."
  }
}

variable "senders" {
  description = "Services that put messages of their own into encrypted queues and topics, such as events.amazonaws.com."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for sender in var.senders : endswith(sender, ".amazonaws.com")])
    error_message = "senders must be principals of services, which end in .amazonaws.com."
  }
}

variable "name" {
  description = "Name of the configuration set; prefix of the topic, the queues and the alarm."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,60}$", var.name))
    error_message = "name must have 1 to 60 letters, digits, _ and -: SQS allows 80 characters, and -events-dead-letters has 20."
  }
}

variable "from_address" {
  description = "Address that mails are sent from. Its domain becomes an identity of SES."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.from_address))
    error_message = "from_address must be an address of a domain in lower case, such as billing@acme.example."
  }
}

variable "public_url" {
  description = "Address that people reach the service by, for the links in mails; empty: no links."
  type        = string
  default     = ""

  validation {
    condition     = var.public_url == "" || can(regex("^https://[^ ]+$", var.public_url))
    error_message = "public_url must be empty or begin with https://."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the topic and the queues; SES and SNS must be among its senders."
  type        = string
}

variable "alarm_topic_arns" {
  description = "SNS topics that receive the alarms."
  type        = list(string)
  default     = []
}

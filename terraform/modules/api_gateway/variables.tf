variable "name" {
  description = "Name of the API and of its VPC link."
  type        = string
}

variable "ingest_function" {
  description = "Function that takes POST /leads."
  type = object({
    name       = string
    invoke_arn = string
  })
}

variable "reports_service" {
  description = "Everything else goes to this load balancer's listener, through a VPC link in these subnets; or see reports_function."
  type = object({
    listener_arn       = string
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null
}

variable "reports_function" {
  description = "Everything else goes to this function; or see reports_service."
  type = object({
    name       = string
    invoke_arn = string
  })
  default = null
}

variable "requests_per_second" {
  description = "Rate from which callers get 429."
  type        = number
  default     = 200

  validation {
    condition     = var.requests_per_second >= 1
    error_message = "requests_per_second must be at least 1: 0 would refuse everyone."
  }
}

variable "request_burst" {
  description = "Requests above that rate which are let through at once."
  type        = number
  default     = 400

  validation {
    condition     = var.request_burst >= 1 && var.request_burst <= 5000
    error_message = "request_burst must be 1 to 5000, the account's own limit."
  }
}

variable "log_retention_days" {
  description = "Days that access logs are kept."
  type        = number
  default     = 30
}

variable "alarm_topic_arns" {
  description = "SNS topics that hear of alarms."
  type        = list(string)
  default     = []
}

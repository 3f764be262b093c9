variable "name" {
  description = "Name of the API and of its VPC link."
  type        = string
}

variable "ingest_function" {
  description = "Function that serves POST /leads."
  type = object({
    name       = string
    invoke_arn = string
  })
}

variable "reports_service" {
  description = "Load balancer of the reporting service, which serves all other routes through a VPC link in these subnets; null with reports_function."
  type = object({
    listener_arn       = string
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null
}

variable "reports_function" {
  description = "Function that serves all other routes; null with reports_service."
  type = object({
    name       = string
    invoke_arn = string
  })
  default = null
}

variable "requests_per_second" {
  description = "Rate limit for all callers together; more requests get 429."
  type        = number
  default     = 200

  validation {
    condition     = var.requests_per_second >= 1
    error_message = "requests_per_second must be at least 1: with 0 the API refuses all requests."
  }
}

variable "request_burst" {
  description = "Requests that the API accepts at once above the rate limit."
  type        = number
  default     = 400

  validation {
    condition     = var.request_burst >= 1 && var.request_burst <= 5000
    error_message = "request_burst must be 1 to 5000, the limit of an AWS account."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the access log."
  type        = number
  default     = 30
}

variable "alarm_topic_arns" {
  description = "SNS topics that receive the alarms."
  type        = list(string)
  default     = []
}

variable "name" {
  description = "Name of the dashboard and prefix of the alarms."
  type        = string
}

variable "api_id" {
  description = "Id of the HTTP API."
  type        = string
}

variable "function_names" {
  description = "Functions on the dashboard; each has an alarm on its duration."
  type        = list(string)
}

variable "queue_name" {
  description = "Name of the spill queue; its dead-letter queue has the same name with -dead-letters."
  type        = string
}

variable "database_identifier" {
  description = "Name of the database instance."
  type        = string
}

variable "latency_alarm_milliseconds" {
  description = "Alarm if 1% of requests take longer."
  type        = number
  default     = 2000
}

variable "duration_alarm_milliseconds" {
  description = "Alarm if 1% of a function's calls take longer."
  type        = number
  default     = 10000
}

variable "connections_alarm_count" {
  description = "Alarm if the database has more connections; a db.t4g.micro allows about 80."
  type        = number
  default     = 60
}

variable "quarantined_alarm_count" {
  description = "Alarm if more leads enter quarantine within 15 minutes."
  type        = number
  default     = 100
}

variable "refused_alarm_count" {
  description = "Alarm if the function refuses more requests and leads within 5 minutes."
  type        = number
  default     = 500
}

variable "alarm_topic_arns" {
  description = "SNS topics that receive the alarms."
  type        = list(string)
  default     = []
}

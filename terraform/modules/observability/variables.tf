variable "name" {
  description = "Name of the dashboard, and the beginning of the alarms' names."
  type        = string
}

variable "api_id" {
  description = "The HTTP API."
  type        = string
}

variable "function_names" {
  description = "Functions whose duration is watched."
  type        = list(string)
}

variable "queue_name" {
  description = "Queue where leads wait; its dead-letter queue has -dead-letters behind it."
  type        = string
}

variable "database_identifier" {
  description = "The database instance."
  type        = string
}

variable "latency_alarm_milliseconds" {
  description = "Alarm when one request in a hundred takes longer."
  type        = number
  default     = 2000
}

variable "duration_alarm_milliseconds" {
  description = "Alarm when one call of a function in a hundred takes longer."
  type        = number
  default     = 10000
}

variable "connections_alarm_count" {
  description = "Alarm above so many connections to the database; a db.t4g.micro takes about 80."
  type        = number
  default     = 60
}

variable "quarantined_alarm_count" {
  description = "Alarm when more leads are quarantined within 15 minutes."
  type        = number
  default     = 100
}

variable "refused_alarm_count" {
  description = "Alarm when more requests and leads are refused within 5 minutes."
  type        = number
  default     = 500
}

variable "alarm_topic_arns" {
  description = "SNS topics that hear of alarms."
  type        = list(string)
  default     = []
}

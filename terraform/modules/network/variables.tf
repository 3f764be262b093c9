variable "name" {
  description = "Prefix of all names in this module."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name must have 2 to 20 characters a-z, 0-9 and -, and begin with a letter."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC, which the module divides into sixteen equal parts for subnets."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr must be an IPv4 range from /16 to /24: the smallest subnet of AWS is /28."
  }
}

variable "availability_zones" {
  description = "Availability zones, each with a public and a private subnet."
  type        = list(string)

  validation {
    condition     = length(distinct(var.availability_zones)) >= 2 && length(var.availability_zones) <= 8
    error_message = "availability_zones must name 2 to 8 different zones: a load balancer and a database need two."
  }
}

variable "database_port" {
  description = "Port of PostgreSQL."
  type        = number
  default     = 5432
}

variable "reports_port" {
  description = "Port of the reporting containers."
  type        = number
  default     = 8000
}

variable "interface_endpoints" {
  description = "AWS services that private subnets reach inside the VPC."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "email", "kms", "lambda", "logs", "secretsmanager", "sqs"]
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the log of refused connections."
  type        = number
  default     = 30
}

variable "name" {
  description = "Prefix of every name in this module."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name must be 2 to 20 characters of a-z, 0-9 and -, and begin with a letter."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC; sixteen equal subnets are cut from it."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr must be an IPv4 range from /16 to /24: AWS takes no subnet smaller than /28."
  }
}

variable "availability_zones" {
  description = "Zones to spread over, each with a public and a private subnet."
  type        = list(string)

  validation {
    condition     = length(distinct(var.availability_zones)) >= 2 && length(var.availability_zones) <= 8
    error_message = "availability_zones must name 2 to 8 different zones: a load balancer and a database need two."
  }
}

variable "database_port" {
  description = "Port PostgreSQL listens on."
  type        = number
  default     = 5432
}

variable "reports_port" {
  description = "Port the reporting containers listen on."
  type        = number
  default     = 8000
}

variable "interface_endpoints" {
  description = "AWS services that the private subnets reach without leaving the VPC."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "logs", "secretsmanager", "sqs"]
}

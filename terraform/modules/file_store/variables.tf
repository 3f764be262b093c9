variable "name" {
  description = "Name of the bucket; no other bucket of any AWS account may have it."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 63 lower-case letters, digits and -: a dot would break TLS at the bucket's own host name."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the files."
  type        = string
}

variable "export_days" {
  description = "Days after which S3 deletes an exported file that the service has not deleted."
  type        = number
  default     = 8

  validation {
    condition     = var.export_days >= 8 && floor(var.export_days) == var.export_days
    error_message = "export_days must be a whole number of at least 8: the service promises a file for 7 days."
  }
}

variable "incoming_days" {
  description = "Days after which S3 deletes an uploaded or dropped file that was not imported."
  type        = number
  default     = 8

  validation {
    condition     = var.incoming_days >= 2 && floor(var.incoming_days) == var.incoming_days
    error_message = "incoming_days must be a whole number of at least 2: a file may wait a day for a worker."
  }
}

variable "incoming_queue" {
  description = "Queue that S3 tells of uploaded and dropped files; null for none."
  type        = object({ arn = string })
  default     = null
}

variable "upload_origins" {
  description = "Sites whose pages may upload files, such as https://billing.example; empty: pages cannot."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for origin in var.upload_origins : can(regex("^https?://[^/*]+$", origin))])
    error_message = "upload_origins must be whole origins, without * and without a path."
  }
}

variable "keep_on_destroy" {
  description = "Whether a bucket with files in it cannot be destroyed."
  type        = bool
  default     = true
}

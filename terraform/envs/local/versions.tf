terraform {
  required_version = ">= 1.11"

  # Each stack has its own state, so the caller names the file.
  backend "local" {}

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # An exact version instead of a lock file: a lock from a provider mirror has only one platform.
      version = "5.100.0"
    }
  }
}

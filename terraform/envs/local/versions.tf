terraform {
  required_version = ">= 1.11"

  # Where the state lies is the caller's to say: each stack has its own.
  backend "local" {}

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Exact, and no lock file: a lock made from a provider mirror knows one platform only.
      version = "5.100.0"
    }
  }
}

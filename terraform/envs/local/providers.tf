# The only file that knows the emulator.
provider "aws" {
  region                      = var.region
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  s3_use_path_style           = true # an emulator has no host name for each bucket
  max_retries                 = 2    # an emulator that refuses a call refuses its repetition too

  default_tags {
    tags = { Project = "lead-billing-engine", Environment = "local" }
  }

  endpoints {
    apigatewayv2           = var.emulator_url
    applicationautoscaling = var.emulator_url
    cloudformation         = var.emulator_url
    cloudwatch             = var.emulator_url
    cloudwatchlogs         = var.emulator_url
    ec2                    = var.emulator_url
    ecs                    = var.emulator_url
    elbv2                  = var.emulator_url
    events                 = var.emulator_url
    iam                    = var.emulator_url
    kms                    = var.emulator_url
    lambda                 = var.emulator_url
    rds                    = var.emulator_url
    s3                     = var.emulator_url
    scheduler              = var.emulator_url
    secretsmanager         = var.emulator_url
    sesv2                  = var.emulator_url
    sns                    = var.emulator_url
    sqs                    = var.emulator_url
    sts                    = var.emulator_url
  }
}

mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name = "test"
}

run "has_container_insights" {
  assert {
    condition     = contains([for setting in aws_ecs_cluster.this.setting : "${setting.name}=${setting.value}"], "containerInsights=enabled")
    error_message = "Without Container Insights nobody sees the resources that tasks use."
  }
}

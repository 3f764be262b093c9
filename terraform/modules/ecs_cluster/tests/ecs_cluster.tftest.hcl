mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name = "test"
}

run "watches_its_containers" {
  assert {
    condition     = contains([for each in aws_ecs_cluster.this.setting : "${each.name}=${each.value}"], "containerInsights=enabled")
    error_message = "Nobody would see what the tasks use."
  }
}

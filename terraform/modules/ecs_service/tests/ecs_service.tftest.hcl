mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name                             = "test-reports"
  cluster_arn                      = "arn:aws:ecs:eu-central-1:123456789012:cluster/test"
  cluster_name                     = "test"
  task_definition_arn              = "arn:aws:ecs:eu-central-1:123456789012:task-definition/test:1"
  container_name                   = "test-reports"
  vpc_id                           = "vpc-1"
  subnet_ids                       = ["subnet-1", "subnet-2"]
  security_group_ids               = ["sg-1"]
  load_balancer_security_group_ids = ["sg-2"]
}

run "is_internal_and_replaces_failed_tasks" {
  assert {
    condition     = aws_lb.this.internal && !aws_ecs_service.this.network_configuration[0].assign_public_ip
    error_message = "Load balancer and tasks must have no public address."
  }

  assert {
    condition     = aws_lb_target_group.this.health_check[0].path == "/health/live"
    error_message = "The health check must not depend on the database."
  }

  assert {
    condition     = aws_lb.this.idle_timeout < 75
    error_message = "The load balancer must close an idle connection before the service does (75 s)."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.load_balancer_errors.metric_name == "HTTPCode_ELB_5XX_Count"
    error_message = "Errors of the load balancer's own must raise an alarm."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].rollback && aws_ecs_service.this.deployment_minimum_healthy_percent == 100
    error_message = "ECS must roll back a failed deployment."
  }
}

run "scales_between_its_bounds" {
  assert {
    condition     = aws_appautoscaling_target.this[0].min_capacity == 2 && aws_appautoscaling_target.this[0].max_capacity == 6
    error_message = "The bounds must be 2 and 6."
  }

  assert {
    condition     = aws_appautoscaling_target.this[0].resource_id == "service/test/test-reports"
    error_message = "Autoscaling must change this service."
  }
}

run "works_without_autoscaling" {
  variables {
    autoscaling = null
  }

  assert {
    condition     = length(aws_appautoscaling_target.this) == 0 && length(aws_appautoscaling_policy.cpu) == 0
    error_message = "autoscaling = null must turn autoscaling off."
  }
}

run "refuses_a_minimum_above_the_maximum" {
  command = plan

  variables {
    autoscaling = { min_tasks = 3, max_tasks = 2, cpu_percent = 60 }
  }

  expect_failures = [var.autoscaling]
}

run "refuses_a_name_that_a_load_balancer_refuses" {
  command = plan

  variables {
    name = "a-name-that-is-longer-than-32-characters"
  }

  expect_failures = [var.name]
}

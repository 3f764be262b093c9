mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "test"
  availability_zones = ["eu-central-1a", "eu-central-1b"]
}

run "has_two_zones_and_no_route_out_of_private_subnets" {
  assert {
    condition     = length(output.public_subnet_ids) == 2 && length(output.private_subnet_ids) == 2
    error_message = "Each zone needs a public and a private subnet."
  }

  assert {
    condition     = length(distinct(concat([for s in aws_subnet.public : s.cidr_block], [for s in aws_subnet.private : s.cidr_block]))) == 4
    error_message = "Subnets overlap."
  }

  assert {
    condition     = aws_route.internet.route_table_id == aws_route_table.public.id
    error_message = "Only public subnets may have a route to the internet."
  }

  assert {
    condition     = alltrue([for s in aws_subnet.public : coalesce(s.map_public_ip_on_launch, false) == false])
    error_message = "No instance may get a public address by default."
  }
}

run "allows_only_functions_and_reports_to_reach_the_database" {
  assert {
    condition = toset([
      for rule in aws_vpc_security_group_ingress_rule.flow : rule.referenced_security_group_id
      if rule.security_group_id == output.security_group_ids["database"]
    ]) == toset([output.security_group_ids["functions"], output.security_group_ids["reports"]])
    error_message = "Functions and reports must reach the database, and no other group."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.flow : rule.cidr_ipv4 == null && rule.ip_protocol == "tcp"])
    error_message = "A rule names addresses instead of a group."
  }
}

run "keeps_calls_to_aws_inside_the_vpc" {
  assert {
    condition     = alltrue([for e in aws_vpc_endpoint.interface : e.private_dns_enabled && e.service_name == "com.amazonaws.eu-central-1.${split("eu-central-1.", e.service_name)[1]}"])
    error_message = "An interface endpoint must have private DNS and this region."
  }

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway"
    error_message = "Image layers need a gateway endpoint for S3."
  }

  assert {
    condition     = toset([for e in aws_vpc_endpoint.interface : split("eu-central-1.", e.service_name)[1]]) == toset(["ecr.api", "ecr.dkr", "email", "kms", "lambda", "logs", "secretsmanager", "sqs"])
    error_message = "Tasks sign, send mails, call functions and read secrets, with no other way out."
  }
}

run "leads_to_buckets_of_this_account_and_to_image_layers_only" {
  assert {
    condition = [for s in jsondecode(aws_vpc_endpoint.s3.policy).Statement : try(s.Condition, s.Resource)] == [
      { StringEquals = { "aws:ResourceAccount" = "123456789012" } },
      "arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*",
    ]
    error_message = "Nothing may be carried into a bucket of somebody else."
  }

  assert {
    condition     = !contains(flatten([for s in jsondecode(aws_vpc_endpoint.s3.policy).Statement : s.Action]), "s3:*")
    error_message = "The endpoint must name what is done with files."
  }
}

run "logs_what_was_refused" {
  assert {
    condition     = aws_flow_log.refused.traffic_type == "REJECT" && aws_flow_log.refused.log_destination == aws_cloudwatch_log_group.flows.arn
    error_message = "Refused connections must be logged."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.flows.policy).Statement[0].Resource == ["${aws_cloudwatch_log_group.flows.arn}:*"]
    error_message = "The flow log may write its own log alone."
  }
}

run "refuses_a_single_zone" {
  command = plan

  variables {
    availability_zones = ["eu-central-1a"]
  }

  expect_failures = [var.availability_zones]
}

run "refuses_a_range_that_is_too_small" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0/28"
  }

  expect_failures = [var.vpc_cidr]
}

run "refuses_a_name_that_aws_refuses" {
  command = plan

  variables {
    name = "Not A Name"
  }

  expect_failures = [var.name]
}

run "lets_six_connections_through_and_no_other" {
  variables {
    database_port = 5433
    reports_port  = 8001
  }

  assert {
    condition = toset([
      for rule in aws_vpc_security_group_egress_rule.flow : join("", [
        one([for name, id in output.security_group_ids : name if id == rule.security_group_id]), ">",
        one([for name, id in output.security_group_ids : name if id == rule.referenced_security_group_id]), ":", rule.from_port
      ]) if rule.from_port == rule.to_port && rule.ip_protocol == "tcp"
    ]) == toset(["functions>database:5433", "functions>endpoints:443", "reports>database:5433", "reports>endpoints:443", "load_balancer>reports:8001", "gateway_link>load_balancer:80"]) && length(aws_vpc_security_group_egress_rule.flow) == 6
    error_message = "A group may connect to another one."
  }

  assert {
    condition = toset([
      for rule in aws_vpc_security_group_ingress_rule.flow : join("", [
        one([for name, id in output.security_group_ids : name if id == rule.referenced_security_group_id]), ">",
        one([for name, id in output.security_group_ids : name if id == rule.security_group_id]), ":", rule.from_port
      ]) if rule.from_port == rule.to_port && rule.ip_protocol == "tcp"
    ]) == toset(["functions>database:5433", "functions>endpoints:443", "reports>database:5433", "reports>endpoints:443", "load_balancer>reports:8001", "gateway_link>load_balancer:80"]) && length(aws_vpc_security_group_ingress_rule.flow) == 6
    error_message = "A group takes connections of another one."
  }

  assert {
    condition     = [aws_vpc_security_group_egress_rule.image_layers.from_port, aws_vpc_security_group_egress_rule.image_layers.to_port] == [443, 443] && aws_vpc_security_group_egress_rule.image_layers.security_group_id == output.security_group_ids["reports"] && aws_vpc_security_group_egress_rule.image_layers.prefix_list_id == aws_vpc_endpoint.s3.prefix_list_id
    error_message = "The service must reach S3 by TLS, and nothing else."
  }
}

run "passes_its_variables_on" {
  variables {
    vpc_cidr            = "10.7.0.0/16"
    interface_endpoints = ["sqs"]
  }

  assert {
    condition     = aws_vpc.this.cidr_block == "10.7.0.0/16" && aws_vpc.this.enable_dns_support && aws_vpc.this.enable_dns_hostnames
    error_message = "Private DNS needs both settings of the VPC."
  }

  assert {
    condition     = alltrue([for s in concat(values(aws_subnet.public), values(aws_subnet.private)) : startswith(s.cidr_block, "10.7.")])
    error_message = "A subnet lies outside the VPC."
  }

  assert {
    condition     = keys(aws_vpc_endpoint.interface) == ["sqs"] && alltrue([for e in aws_vpc_endpoint.interface : toset(e.security_group_ids) == toset([output.security_group_ids["endpoints"]]) && length(e.subnet_ids) == 2])
    error_message = "The endpoints are others, or in another group."
  }

  assert {
    condition     = [aws_vpc.this.tags.Name, aws_internet_gateway.this.tags.Name, aws_route_table.public.tags.Name, aws_route_table.private.tags.Name, aws_vpc_endpoint.s3.tags.Name, aws_vpc_endpoint.interface["sqs"].tags.Name] == ["test", "test", "test-public", "test-private", "test-s3", "test-sqs"]
    error_message = "A name is another."
  }
}

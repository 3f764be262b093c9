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

output "service_name" {
  description = "Name of the service."
  value       = aws_ecs_service.this.name
}

output "listener_arn" {
  description = "Listener to which a VPC link sends requests."
  value       = aws_lb_listener.this.arn
}

output "load_balancer_dns_name" {
  description = "DNS name of the load balancer inside the VPC."
  value       = aws_lb.this.dns_name
}

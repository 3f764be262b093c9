"""The price list and the assumptions of the bill in docs/costs.md, all of them.

The prices are written down from memory of AWS's public list and were not looked up: check them.
"""

from dataclasses import dataclass

REGION = "us-east-1"
LIST_OF = "2025"  # the year whose on-demand prices these are meant to be


@dataclass(frozen=True)
class Figure:
    """A price or an assumption. `text` says what it is of, as docs/costs.md shows it."""

    value: float
    unit: str
    text: str


PRICES = {
    "gateway_million": Figure(1.00, "USD per million", "API Gateway, HTTP API: requests"),
    "lambda_million": Figure(0.20, "USD per million", "Lambda: requests"),
    "lambda_gb_second": Figure(0.0000133334, "USD per GB-second", "Lambda on ARM: duration"),
    "fargate_vcpu_hour": Figure(0.03238, "USD per vCPU-hour", "Fargate on ARM: processor"),
    "fargate_gb_hour": Figure(0.00356, "USD per GB-hour", "Fargate on ARM: memory"),
    "balancer_hour": Figure(0.0225, "USD per hour", "Application Load Balancer"),
    "balancer_unit_hour": Figure(0.008, "USD per LCU-hour", "Application Load Balancer: capacity"),
    "endpoint_hour": Figure(0.01, "USD per hour and zone", "VPC interface endpoint"),
    "storage_gb_month": Figure(0.115, "USD per GB-month", "RDS: gp3 storage, one zone"),
    "logs_gb": Figure(0.50, "USD per GB", "CloudWatch Logs: ingestion"),
    "transfer_gb": Figure(0.09, "USD per GB", "data transfer to the internet"),
}

# RDS for PostgreSQL, one zone: vCPUs, and USD per hour.
INSTANCES = {
    "db.m7g.large": (2, 0.168),
    "db.m7g.xlarge": (4, 0.337),
    "db.m7g.2xlarge": (8, 0.674),
    "db.m7g.4xlarge": (16, 1.348),
    "db.m7g.8xlarge": (32, 2.696),
    "db.m7g.16xlarge": (64, 5.391),
}

ASSUMPTIONS = {
    "core": Figure(1, "", "speed of a vCPU of AWS, as a multiple of that of the measured core"),
    "peak": Figure(4, "", "the busiest hour, as a multiple of the average hour"),
    "utilisation": Figure(0.6, "", "how busy processors may be in the busiest hour"),
    "function_gb": Figure(0.5, "GB", "memory of the function, as Terraform's default"),
    "full_vcpu_gb": Figure(1.769, "GB", "memory at which Lambda gives a whole vCPU"),
    "round_trip_ms": Figure(
        3, "ms", "what a function waits for network and disk, besides the database's processor"
    ),
    "gateway_kib": Figure(512, "KiB", "size of body that API Gateway counts as one request"),
    "log_bytes": Figure(1_000, "bytes", "logs of a request"),
    "task_vcpu": Figure(0.25, "vCPU", "processor of a task, as Terraform's default"),
    "task_gb": Figure(0.5, "GB", "memory of a task, as Terraform's default"),
    "min_tasks": Figure(2, "", "tasks at least, one in each zone"),
    "zones": Figure(2, "", "zones in which the database and the endpoints stand"),
    "balancer_units": Figure(1, "LCU", "capacity units of the load balancer"),
    "endpoints": Figure(5, "", "VPC interface endpoints"),
    "months_kept": Figure(12, "", "months of data that the database holds"),
    "header": Figure(100_000, "", "report headers read in a month"),
    "lines": Figure(100_000, "", "pages of lines read in a month"),
    "list": Figure(100_000, "", "lists of reports read in a month"),
    "lead": Figure(100_000, "", "leads looked up in a month"),
}

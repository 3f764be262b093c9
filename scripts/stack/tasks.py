"""One-off tasks of the reporting image: the migrations, and closing what is due."""

from typing import Any

from scripts.stack import aws, terraform
from scripts.stack.report import StackError, say
from scripts.stack.settings import Stack


def migrate(stack: Stack) -> None:
    """Bring the schema to the newest version, where the service's own image runs."""
    run_task(stack, "migrate", ["python", "-m", "alembic", "upgrade", "head"])


def close_due(stack: Stack) -> None:
    """Close the months that are due, by the command and in the task that the schedule names."""
    run_task(stack, "reports", terraform.outputs(stack)["close_command"])


def run_task(stack: Stack, part: str, command: list[str]) -> list[str]:
    """Run a command once as an ECS task and give the end of what it printed.

    `part`: whose database role it works in, of Terraform's output `tasks`. StackError with its log
    unless it exits 0.
    """
    deployed = terraform.outputs(stack)
    as_part = deployed["tasks"][part]
    started = aws.ecs(
        stack,
        "RunTask",
        {
            "cluster": deployed["cluster_name"],
            "taskDefinition": as_part["definition_arn"],
            "launchType": "FARGATE",
            "count": 1,
            "startedBy": "make",
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": deployed["task_subnet_ids"],
                    "securityGroups": deployed["task_security_group_ids"],
                    "assignPublicIp": "DISABLED",
                }
            },
            "overrides": {
                "containerOverrides": [{"name": as_part["container_name"], "command": command}]
            },
        },
    )
    if not started.get("tasks"):
        raise StackError(f"ECS started no task: {started.get('failures')}", "make tf-apply")
    arn = started["tasks"][0]["taskArn"]
    task: dict[str, Any] = {}

    def stopped() -> bool:
        found = aws.ecs(
            stack, "DescribeTasks", {"cluster": deployed["cluster_name"], "tasks": [arn]}
        )
        task.update(found["tasks"][0])
        return bool(task["lastStatus"] == "STOPPED")

    aws.wait_for(f"The end of `{' '.join(command)}`", 180, stopped, f"make logs PART={part}")
    exit_code = task["containers"][0].get("exitCode")
    printed = [
        line
        for stream, line in aws.log_lines(stack, as_part["log_group_name"])
        if stream.endswith(arn.rsplit("/", 1)[-1])
    ]
    for line in printed[-20:]:
        say(line)
    if exit_code != 0:
        reason = task.get("stoppedReason") or "see the lines above"
        raise StackError(
            f"`{' '.join(command)}` ended with {exit_code} as an ECS task ({reason}).",
            f"make logs PART={part}, then make {part if part == 'migrate' else 'up'}",
        )
    return printed[-20:]

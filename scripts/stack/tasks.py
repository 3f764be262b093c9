"""One-off tasks of the reporting image: the migrations, and closing what is due."""

from typing import Any

from scripts.stack import aws, terraform
from scripts.stack.report import StackError, say
from scripts.stack.settings import Stack


def migrate(stack: Stack) -> None:
    """Bring the schema to the newest version, where the service's own image runs."""
    run_task(stack, ["python", "-m", "alembic", "upgrade", "head"])


def close_due(stack: Stack) -> None:
    """Close the months that are due, by the command and in the task that the schedule names."""
    run_task(stack, terraform.outputs(stack)["close_command"])


def run_task(stack: Stack, command: list[str]) -> None:
    """Run a command once as an ECS task; StackError with its log unless it exits 0."""
    deployed = terraform.outputs(stack)
    started = aws.ecs(
        stack,
        "RunTask",
        {
            "cluster": deployed["cluster_name"],
            "taskDefinition": deployed["task_definition_arn"],
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
                "containerOverrides": [{"name": deployed["container_name"], "command": command}]
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

    aws.wait_for(f"The end of `{' '.join(command)}`", 180, stopped, "make logs PART=migrate")
    exit_code = task["containers"][0].get("exitCode")
    printed = [
        line
        for stream, line in aws.log_lines(stack, deployed["log_group_names"]["migrate"])
        if stream.endswith(arn.rsplit("/", 1)[-1])
    ]
    for line in printed[-20:]:
        say(line)
    if exit_code != 0:
        reason = task.get("stoppedReason") or "see the lines above"
        raise StackError(
            f"`{' '.join(command)}` ended with {exit_code} as an ECS task ({reason}).",
            "make logs PART=migrate, then make migrate",
        )

"""Run one-off tasks in the reporting image: the migrations, and closing the due months."""

from typing import Any

from scripts.stack import aws, terraform
from scripts.stack.report import StackError, say
from scripts.stack.settings import Stack


def migrate(stack: Stack) -> None:
    """Bring the schema up to date, in the image of the service."""
    run_task(stack, "migrate", ["python", "-m", "alembic", "upgrade", "head"])


def close_due(stack: Stack) -> None:
    """Close the due months, with the command and the task of the schedule."""
    run_task(stack, "close", terraform.outputs(stack)["close_command"])


def run_task(stack: Stack, part: str, command: list[str]) -> list[str]:
    """Run a command as an ECS task and return the last 20 lines of its log.

    `part` is a key of Terraform's output `tasks`; it determines the database role. Raises
    StackError unless the command exits with 0.
    """
    deployed = terraform.outputs(stack)
    definition = deployed["tasks"][part]
    started = aws.ecs(
        stack,
        "RunTask",
        {
            "cluster": deployed["cluster_name"],
            "taskDefinition": definition["definition_arn"],
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
                "containerOverrides": [{"name": definition["container_name"], "command": command}]
            },
        },
    )
    if not started.get("tasks"):
        raise StackError(f"ECS started no task: {started.get('failures')}", "make tf-apply")
    arn = started["tasks"][0]["taskArn"]
    task: dict[str, Any] = {}

    def stopped() -> bool:
        answer = aws.ecs(
            stack, "DescribeTasks", {"cluster": deployed["cluster_name"], "tasks": [arn]}
        )
        task.update(answer["tasks"][0])
        return bool(task["lastStatus"] == "STOPPED")

    aws.wait_for(f"The end of `{' '.join(command)}`", 180, stopped, f"make logs PART={part}")
    exit_code = task["containers"][0].get("exitCode")
    printed = [
        line
        for stream, line in aws.log_lines(stack, definition["log_group_name"])
        if stream.endswith(arn.rsplit("/", 1)[-1])
    ]
    for line in printed[-20:]:
        say(line)
    if exit_code != 0:
        reason = task.get("stoppedReason") or "see the lines above"
        raise StackError(
            f"`{' '.join(command)}` exited with {exit_code} as an ECS task ({reason}).",
            f"make logs PART={part}, then make {part if part == 'migrate' else 'up'}",
        )
    return printed[-20:]

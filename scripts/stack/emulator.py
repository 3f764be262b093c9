"""Start and stop the emulator. A new emulator is empty, so Terraform's state ends with the old one.

Invariant: `stack.state / "emulator.json"` names the process or container that we started, or the
file does not exist.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scripts.stack import docker, terraform
from scripts.stack.aws import request, wait_for
from scripts.stack.processes import install_locked, output, run, succeeds
from scripts.stack.report import StackError, say
from scripts.stack.settings import LOCALSTACK_PYTHON, Stack

HERE = Path(__file__).parent / "emulator"
HEALTH = {"ministack": "/_ministack/health", "localstack": "/_localstack/health"}


def start(stack: Stack) -> None:
    """Start the emulator, unless ours is running: then keep it with its contents."""
    running = read(stack)
    if running and running["emulator"] != stack.emulator:
        raise StackError(
            f"{running['emulator']} is up on port {stack.port}, not {stack.emulator}.",
            f"make down EMULATOR={running['emulator']}, then make up EMULATOR={stack.emulator}",
        )
    if is_up(stack):
        say(f"{stack.emulator} is already up")
        return
    forget(stack)
    stack.state.mkdir(parents=True, exist_ok=True)
    if stack.emulator == "ministack":
        install(stack)
        start_ministack(stack)
    else:
        start_localstack(stack)
    wait_for(f"An answer of {stack.emulator}", 120, lambda: answers(stack), f"less {log(stack)}")
    say(f"{stack.emulator} answers on {stack.url}")


def stop(stack: Stack) -> None:
    """Stop the emulator and remove its containers."""
    running = read(stack)
    if running and running["emulator"] == "localstack":
        docker.remove(stack.container)
    elif running and is_ours(running):
        end_process(int(running["pid"]))
    if docker.daemon_answers():
        docker.remove(*docker.containers(stack))
    (stack.state / "emulator.json").unlink(missing_ok=True)


def forget(stack: Stack) -> None:
    """Remove the containers and Terraform's state of an emulator that has ended."""
    if read(stack):
        say("the emulator of the last run has ended; its contents are lost")
    stop(stack)
    terraform.drop_state(stack)


def is_up(stack: Stack) -> bool:
    """Whether the emulator that we started runs and answers."""
    running = read(stack)
    return bool(running) and is_ours(running) and answers(stack)


def answers(stack: Stack) -> bool:
    """Whether the emulator's health page answers."""
    running = read(stack)
    if running and not is_ours(running):
        raise StackError(f"{stack.emulator} ended during its start.", f"less {log(stack)}")
    try:
        return request("GET", stack.url + HEALTH[stack.emulator], timeout_seconds=3).status == 200
    except ConnectionError:
        return False


def log(stack: Stack) -> Path:
    """The emulator's log file."""
    return stack.state / "emulator.log"


def read(stack: Stack) -> dict[str, Any]:
    """The content of emulator.json; empty if we started no emulator."""
    try:
        running: dict[str, Any] = json.loads((stack.state / "emulator.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return running


def write(stack: Stack, **facts: Any) -> None:
    (stack.state / "emulator.json").write_text(json.dumps({"emulator": stack.emulator, **facts}))


def is_ours(running: dict[str, Any]) -> bool:
    """Whether the process or container of emulator.json still runs and is the same one."""
    if "container" in running:
        state = output(
            ["docker", "inspect", "--format", "{{.State.Running}}", running["container"]]
        )
        return (state or "").strip() == "true"
    started: str | None = running["started"]
    return process_started(int(running["pid"])) == started


def process_started(pid: int) -> str | None:
    """The start of a process, in ticks since boot. Linux reuses process ids, but not with a start.

    None if the process has ended or is a zombie. Linux only, as MiniStack is.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, started = fields[0], fields[19]
    return None if state == "Z" else started


def end_process(pid: int) -> None:
    """Send SIGTERM, wait ten seconds, then send SIGKILL."""
    os.kill(pid, signal.SIGTERM)
    for _ in range(100):
        if process_started(pid) is None:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)


def install(stack: Stack) -> None:
    """Install MiniStack, with boto3 and the AWS command line."""
    remedy = "read the lines above (no network?), then make up"
    install_locked("MiniStack", stack.venv, HERE / "requirements.txt", remedy=remedy)


def start_ministack(stack: Stack) -> None:
    """Start MiniStack with our extension, on loopback only."""
    temporary = stack.state / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {
        key: value
        for key, value in os.environ.items()
        # A function must not see the other variables of this shell.
        if key in ("PATH", "HOME", "LANG", "DOCKER_HOST", "DOCKER_CONFIG")
    } | {
        "TMPDIR": str(temporary),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(stack.port),
        "DOCKER_NETWORK": "bridge",
        "LAMBDA_EXECUTOR": "local",
        "RDS_TMPFS_SIZE": "1g",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "PYTHONUNBUFFERED": "1",
    }
    if stack.postgres_image:
        environment["STACK_POSTGRES_IMAGE"] = stack.postgres_image
    with log(stack).open("w") as log_file:
        process = subprocess.Popen(
            [stack.venv / "bin" / "python", HERE / "ministack_extension.py"],
            cwd=stack.state,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    write(stack, pid=process.pid, started=process_started(process.pid))


def start_localstack(stack: Stack) -> None:
    """Start LocalStack in a container. No command line shows the token: Docker inherits it."""
    if not docker.pull(stack.localstack_image):
        raise StackError(
            f"Docker cannot fetch the image {stack.localstack_image}.",
            "check the network, or use another: make up EMULATOR=localstack LOCALSTACK_IMAGE=...",
        )
    if succeeds(["docker", "inspect", stack.container]):
        docker.remove(stack.container)
    run(
        [
            *("docker", "run", "--detach", "--name", stack.container),
            *("--publish", f"127.0.0.1:{stack.port}:4566"),
            *("--publish", "127.0.0.1:4510-4559:4510-4559"),
            *("--volume", "/var/run/docker.sock:/var/run/docker.sock"),
            *("--env", "LOCALSTACK_AUTH_TOKEN"),
            stack.localstack_image,
        ],
        remedy="make up EMULATOR=localstack",
        quiet=True,
    )
    write(stack, container=stack.container)
    wait_for("LocalStack's licence", 90, lambda: accepts_token(stack), "make up")


def accepts_token(stack: Stack) -> bool:
    """Whether LocalStack is up. Raises StackError if it refused the token."""
    printed = output(["docker", "logs", stack.container]) or ""
    if "License activation failed" in printed or "license.not_found" in printed:
        raise StackError(
            "LocalStack refused LOCALSTACK_AUTH_TOKEN (wrong, expired, or without a licence).",
            "copy it again from the LocalStack web application (Auth Tokens), "
            "then make up EMULATOR=localstack",
        )
    return answers(stack)


def client_environment(stack: Stack) -> dict[str, str]:
    """The variables with which a client of AWS calls the emulator."""
    return {
        "AWS_ENDPOINT_URL": stack.url,
        "AWS_DEFAULT_REGION": stack.region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def functions_python(stack: Stack) -> str:
    """The version of Python that runs the functions, for example 3.11: MiniStack uses its own."""
    if stack.emulator == "localstack":
        return LOCALSTACK_PYTHON
    return f"{sys.version_info.major}.{sys.version_info.minor}"

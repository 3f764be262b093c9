"""The emulator's life. A new emulator is empty, so Terraform's state is dropped with the old one.

Invariant: `stack.state / "emulator.json"` names the process or container we started, or is absent.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scripts.stack import docker, terraform
from scripts.stack.aws import request, wait_for
from scripts.stack.processes import output, run, succeeds
from scripts.stack.report import StackError, say
from scripts.stack.settings import LOCALSTACK_PYTHON, Stack

HERE = Path(__file__).parent / "emulator"
HEALTH = {"ministack": "/_ministack/health", "localstack": "/_localstack/health"}


def start(stack: Stack) -> None:
    """Have the emulator up; a running one of ours is kept with all that is in it."""
    running = read(stack)
    if running and running["emulator"] != stack.emulator:
        raise StackError(
            f"{running['emulator']} is up on port {stack.port}, not {stack.emulator}.",
            f"make down EMULATOR={running['emulator']}, then make up EMULATOR={stack.emulator}",
        )
    if is_up(stack):
        say(f"{stack.emulator} is up already")
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
    """Stop what `start` started and remove what it left."""
    running = read(stack)
    if running and running["emulator"] == "localstack":
        run(
            ["docker", "rm", "--force", "--volumes", stack.container],
            remedy="make down",
            quiet=True,
        )
    elif running and is_ours(running):
        end_process(int(running["pid"]))
    if docker.daemon_answers():
        docker.remove_containers(stack)
    (stack.state / "emulator.json").unlink(missing_ok=True)


def forget(stack: Stack) -> None:
    """Drop what was known of an emulator that is gone: its containers, and Terraform's state."""
    if read(stack):
        say("the emulator of the last run is gone, and all that was in it")
    stop(stack)
    terraform.drop_state(stack)


def is_up(stack: Stack) -> bool:
    """Whether the emulator that we started lives and answers."""
    running = read(stack)
    return bool(running) and is_ours(running) and answers(stack)


def answers(stack: Stack) -> bool:
    """Whether the emulator's health page answers."""
    running = read(stack)
    if running and not is_ours(running):
        raise StackError(f"{stack.emulator} ended as it started.", f"less {log(stack)}")
    try:
        return request("GET", stack.url + HEALTH[stack.emulator], timeout_seconds=3).status == 200
    except ConnectionError:
        return False


def log(stack: Stack) -> Path:
    """The emulator's own log."""
    return stack.state / "emulator.log"


def read(stack: Stack) -> dict[str, Any]:
    """What we noted when we started an emulator; empty when there is none."""
    try:
        noted: dict[str, Any] = json.loads((stack.state / "emulator.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return noted


def note(stack: Stack, **facts: Any) -> None:
    (stack.state / "emulator.json").write_text(json.dumps({"emulator": stack.emulator, **facts}))


def is_ours(running: dict[str, Any]) -> bool:
    """Whether the noted process or container is still the one that was noted."""
    if "container" in running:
        state = output(
            ["docker", "inspect", "--format", "{{.State.Running}}", running["container"]]
        )
        return (state or "").strip() == "true"
    started: str | None = running["started"]
    return process_started(int(running["pid"])) == started


def process_started(pid: int) -> str | None:
    """When a process began, in ticks since the machine did: a number is used again, a start not.

    None for a process that is gone or a zombie. MiniStack runs on Linux only, and so does this.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, started = fields[0], fields[19]
    return None if state == "Z" else started


def end_process(pid: int) -> None:
    """SIGTERM, ten seconds, SIGKILL."""
    os.kill(pid, signal.SIGTERM)
    for _ in range(100):
        if process_started(pid) is None:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)


def install(stack: Stack) -> None:
    """The emulator's virtual environment, made anew when its lock changed."""
    lock = HERE / "requirements.txt"
    mark = stack.venv / "installed-from.txt"
    if mark.exists() and mark.read_text() == lock.read_text():
        return
    say("installing MiniStack into its own virtual environment")
    shutil.rmtree(stack.venv, ignore_errors=True)
    remedy = "look at the lines above (no network?), then make up again"
    run([sys.executable, "-m", "venv", stack.venv], remedy=remedy, quiet=True)
    run(
        [
            *(str(stack.venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"),
            *("install", "--quiet", "--require-hashes", "--requirement", str(lock)),
        ],
        remedy=remedy,
        quiet=True,
    )
    mark.write_text(lock.read_text())


def start_ministack(stack: Stack) -> None:
    """MiniStack with our extension, on loopback only."""
    temporary = stack.state / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = {
        key: value
        for key, value in os.environ.items()
        # A function must not see what happens to be set in this shell.
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
    with log(stack).open("w") as written:
        process = subprocess.Popen(
            [stack.venv / "bin" / "python", HERE / "ministack_extension.py"],
            cwd=stack.state,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    note(stack, pid=process.pid, started=process_started(process.pid))


def start_localstack(stack: Stack) -> None:
    """LocalStack in a container; the token goes by the environment, never by a command line."""
    if not docker.pull(stack.localstack_image):
        raise StackError(
            f"The image {stack.localstack_image} cannot be fetched.",
            "check the network, or name another: make up EMULATOR=localstack LOCALSTACK_IMAGE=...",
        )
    if succeeds(["docker", "inspect", stack.container]):
        run(
            ["docker", "rm", "--force", "--volumes", stack.container],
            remedy="make down",
            quiet=True,
        )
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
    note(stack, container=stack.container)
    wait_for("LocalStack's licence", 90, lambda: answers_or_refused(stack), "make up")


def answers_or_refused(stack: Stack) -> bool:
    """Whether LocalStack is up; StackError when it refused the token."""
    said = output(["docker", "logs", stack.container]) or ""
    if "License activation failed" in said or "license.not_found" in said:
        raise StackError(
            "LocalStack refused LOCALSTACK_AUTH_TOKEN (wrong, expired, or without a licence).",
            "copy it again from the LocalStack web application (Auth Tokens), "
            "then make up EMULATOR=localstack",
        )
    return answers(stack)


def functions_python(stack: Stack) -> str:
    """The Python that runs the functions, as 3.11: MiniStack runs them with its own."""
    if stack.emulator == "localstack":
        return LOCALSTACK_PYTHON
    return f"{sys.version_info.major}.{sys.version_info.minor}"

"""Is everything here that the stack needs? Every gap at once, each with the way to close it."""

import json
import re
import shutil
import socket
import sys
from collections.abc import Iterator

from scripts.stack import docker, emulator, terraform
from scripts.stack.processes import output
from scripts.stack.report import StackError, say
from scripts.stack.settings import Stack

TERRAFORM = (1, 11)


def check(stack: Stack) -> None:
    """Print what was found; StackError with every gap."""
    gaps = list(find_gaps(stack))
    if gaps:
        causes = "\n".join(f"  - {cause}\n      {remedy}" for cause, remedy in gaps)
        raise StackError(f"Something is missing:\n{causes}", "the lines above, then make up again")


def find_gaps(stack: Stack) -> Iterator[tuple[str, str]]:
    """What is missing, each with how to get it."""
    if sys.version_info < (3, 11):  # noqa: UP036 - nothing was installed that would have said so
        yield ("Python 3.11 or newer is needed.", "https://www.python.org/downloads/")
    yield from terraform_gaps(stack)
    yield from docker_gaps()
    yield from emulator_gaps(stack)


def terraform_gaps(stack: Stack) -> Iterator[tuple[str, str]]:
    """Terraform, new enough; and where its provider comes from."""
    said = output(["terraform", "version", "-json"])
    if said is None:
        yield (
            "Terraform is not installed.",
            "https://developer.hashicorp.com/terraform/install (1.11 or newer)",
        )
        return
    version = str(json.loads(said)["terraform_version"])
    if terraform_version(version) < TERRAFORM:
        yield (
            f"Terraform {version} is too old: 1.11 brought write-only arguments, "
            "which keep passwords out of the state.",
            "https://developer.hashicorp.com/terraform/install",
        )
    mirror = terraform.find_mirror(stack)
    if stack.plugin_mirror and mirror is None:
        yield (
            f"TF_PLUGIN_MIRROR={stack.plugin_mirror} holds no {terraform.PROVIDER}.",
            "name the folder that holds it, or leave TF_PLUGIN_MIRROR out",
        )
    say(f"terraform {version}, provider from {mirror or 'the Terraform registry'}")


def terraform_version(text: str) -> tuple[int, int]:
    """Major and minor of a version such as 1.11.4-rc1."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def docker_gaps() -> Iterator[tuple[str, str]]:
    """Docker's client and a daemon that answers."""
    if shutil.which("docker") is None:
        yield ("Docker is not installed.", "https://docs.docker.com/engine/install/")
    elif not docker.daemon_answers():
        yield (
            "Docker's daemon does not answer (not running, or not allowed for this user).",
            "start Docker, or: sudo systemctl start docker; "
            "as root without systemd: bash scripts/stack/ci.sh docker",
        )
    else:
        said = output(["docker", "version", "--format", "{{.Server.Version}}"]) or ""
        say(f"docker {said.strip()}")


def emulator_gaps(stack: Stack) -> Iterator[tuple[str, str]]:
    """A free port, and LocalStack's token where LocalStack is wanted."""
    if stack.emulator == "ministack" and sys.platform != "linux":
        yield (
            "MiniStack reaches its containers by their own addresses, which only Linux routes.",
            "make up EMULATOR=localstack, or run this in a Linux machine",
        )
    if stack.emulator == "localstack" and not stack.token:
        yield (
            "LocalStack's ECS, RDS and HTTP APIs need a licence: LOCALSTACK_AUTH_TOKEN is not set.",
            "docs/deployment.md, 'LocalStack'; or make up EMULATOR=ministack, which needs none",
        )
    running = emulator.read(stack)
    if running and emulator.is_ours(running) and running["emulator"] != stack.emulator:
        yield (
            f"{running['emulator']} is up on port {stack.port}, not {stack.emulator}.",
            f"make down, then make up EMULATOR={stack.emulator}",
        )
    elif emulator.is_up(stack):
        say(f"{stack.emulator} is up on port {stack.port}")
    elif port_is_taken(stack.port):
        yield (
            f"Port {stack.port} is taken by another program (not by this stack's emulator).",
            f"stop it, or take another: make up GATEWAY_PORT={stack.port + 1}",
        )


def port_is_taken(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0

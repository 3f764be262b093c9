"""Check that this machine has all that the stack needs, and name every gap with its remedy."""

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
    """Print the versions. Raises StackError with all gaps."""
    gaps = list(find_gaps(stack))
    if gaps:
        causes = "\n".join(f"  - {cause}\n      {remedy}" for cause, remedy in gaps)
        raise StackError(f"The stack needs more:\n{causes}", "the lines above, then make up")


def find_gaps(stack: Stack) -> Iterator[tuple[str, str]]:
    """Each gap: its cause and its remedy."""
    if sys.version_info < (3, 11):  # noqa: UP036 - no installer has checked the version before
        yield ("Python 3.11 or newer is needed.", "https://www.python.org/downloads/")
    yield from terraform_gaps(stack)
    yield from docker_gaps()
    yield from emulator_gaps(stack)


def terraform_gaps(stack: Stack) -> Iterator[tuple[str, str]]:
    """Terraform 1.11 or newer, and the provider's source."""
    printed = output(["terraform", "version", "-json"])
    if printed is None:
        yield (
            "Terraform is not installed.",
            "https://developer.hashicorp.com/terraform/install (1.11 or newer)",
        )
        return
    version = str(json.loads(printed)["terraform_version"])
    if terraform_version(version) < TERRAFORM:
        yield (
            f"Terraform {version} is too old: only 1.11 and newer have write-only arguments, "
            "which keep passwords out of the state.",
            "https://developer.hashicorp.com/terraform/install",
        )
    mirror = terraform.find_mirror(stack)
    if stack.plugin_mirror and mirror is None:
        yield (
            f"TF_PLUGIN_MIRROR={stack.plugin_mirror} holds no {terraform.PROVIDER}.",
            "set it to the folder that holds the provider, or leave it out",
        )
    say(f"terraform {version}, provider from {mirror or 'the Terraform registry'}")


def terraform_version(text: str) -> tuple[int, int]:
    """The major and minor number of a version like 1.11.4-rc1."""
    match = re.match(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def docker_gaps() -> Iterator[tuple[str, str]]:
    """Docker's client and a daemon that answers."""
    if shutil.which("docker") is None:
        yield ("Docker is not installed.", "https://docs.docker.com/engine/install/")
    elif not docker.daemon_answers():
        yield (
            "Docker's daemon does not answer (it does not run, or this user has no access).",
            "start Docker, or: sudo systemctl start docker; "
            "as root without systemd: bash scripts/stack/ci.sh docker",
        )
    else:
        version = output(["docker", "version", "--format", "{{.Server.Version}}"]) or ""
        say(f"docker {version.strip()}")


def emulator_gaps(stack: Stack) -> Iterator[tuple[str, str]]:
    """A free port, and the token if the emulator is LocalStack."""
    if stack.emulator == "ministack" and sys.platform != "linux":
        yield (
            "MiniStack connects to its containers by their addresses, which only Linux routes.",
            "make up EMULATOR=localstack, or use a Linux machine",
        )
    if stack.emulator == "localstack" and not stack.token:
        yield (
            "LocalStack's ECS, RDS and HTTP APIs need a licence: LOCALSTACK_AUTH_TOKEN is not set.",
            "docs/deployment.md, 'LocalStack'; or make up EMULATOR=ministack without a licence",
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
            f"stop it, or use another port: make up GATEWAY_PORT={stack.port + 1}",
        )


def port_is_taken(port: int) -> bool:
    """Whether a program listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0

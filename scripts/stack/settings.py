"""The settings of one stack. Only this module reads them from the environment.

Invariant: two stacks have different ports and share no names.
"""

import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path

from scripts.stack.report import StackError

ROOT = Path(__file__).resolve().parents[2]

EMULATORS = ("ministack", "localstack")
RUNTIMES = ("fargate", "lambda")

# The newest versions that were tested; BASE_IMAGE and LOCALSTACK_IMAGE override them.
BASE_IMAGE = "python:3.13-slim-bookworm"
LOCALSTACK_IMAGE = "localstack/localstack-pro:4.14.0"

# LocalStack runs functions in AWS's own images, so every Python version of Lambda works there.
LOCALSTACK_PYTHON = "3.13"


@dataclass(frozen=True)
class Stack:
    """One stack. Paths are absolute."""

    emulator: str
    port: int
    reports_runtime: str
    base_image: str | None
    postgres_image: str | None
    localstack_image: str
    token: str | None
    plugin_mirror: Path | None
    state: Path
    environment: Path
    name: str
    region: str = "us-east-1"

    @property
    def url(self) -> str:
        """The URL of the emulator."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def venv(self) -> Path:
        """The emulator's own virtual environment."""
        return self.state.parent / "emulator-venv"

    @property
    def container(self) -> str:
        """The name of LocalStack's container."""
        return f"{self.name}-localstack-{self.port}"

    @property
    def owner(self) -> str:
        """The label of MiniStack's containers: its host and its port."""
        return f"{socket.gethostname()}:{self.port}"

    @property
    def architecture(self) -> str:
        """This machine's processor, as Lambda and ECS name it."""
        machine = platform.machine().lower()
        return "arm64" if machine in ("arm64", "aarch64") else "x86_64"

    def gateway_url(self, api_id: str) -> str:
        """The API's URL for programs: it needs no DNS and has no $ that a shell would expand."""
        return f"{self.url}/_aws/execute-api/{api_id}/%24default"

    def browser_url(self, api_id: str) -> str:
        """The API's URL for a browser, where the links of a page work."""
        domain = "localhost" if self.emulator == "ministack" else "localhost.localstack.cloud"
        return f"http://{api_id}.execute-api.{domain}:{self.port}"


def stack() -> Stack:
    """The stack that the environment describes."""
    emulator = chosen("EMULATOR", EMULATORS)
    port = os.environ.get("GATEWAY_PORT") or "4566"
    if not port.isdigit() or not 1 <= int(port) <= 65535:
        raise StackError(f"GATEWAY_PORT={port} is not a port.", "make up GATEWAY_PORT=4566")
    mirror = os.environ.get("TF_PLUGIN_MIRROR")
    return Stack(
        emulator=emulator,
        port=int(port),
        reports_runtime=chosen("REPORTS_RUNTIME", RUNTIMES),
        base_image=os.environ.get("BASE_IMAGE") or None,
        postgres_image=os.environ.get("POSTGRES_IMAGE") or None,
        localstack_image=os.environ.get("LOCALSTACK_IMAGE") or LOCALSTACK_IMAGE,
        token=os.environ.get("LOCALSTACK_AUTH_TOKEN") or None,
        plugin_mirror=Path(mirror) if mirror else None,
        state=ROOT / ".data" / "stack" / port,
        environment=ROOT / "terraform" / "envs" / "local",
        # MiniStack derives container names from this; two stacks must not share a name.
        name="lead-billing" if port == "4566" else f"lead-billing-{port}",
    )


def chosen(name: str, values: tuple[str, ...]) -> str:
    """The value of the environment variable `name`, or the first of `values` if it is not set."""
    value = os.environ.get(name) or values[0]
    if value not in values:
        raise StackError(
            f"{name}={value} is not valid; use one of {', '.join(values)}.",
            f"make up {name}={values[0]}",
        )
    return value

"""The Docker commands of the steps.

Invariant: they create, stop and remove only images and containers with this stack's name or label.
"""

from scripts.stack.processes import output, run, succeeds
from scripts.stack.settings import Stack

LABEL = "ministack.instance"


def daemon_answers() -> bool:
    """Whether a Docker daemon answers this user."""
    return succeeds(["docker", "info", "--format", "{{.ServerVersion}}"])


def has_image(name: str) -> bool:
    """Whether an image is on this machine."""
    return succeeds(["docker", "image", "inspect", name])


def pull(name: str) -> bool:
    """Fetch an image unless this machine has it; false if that fails."""
    return has_image(name) or succeeds(["docker", "pull", "--quiet", name])


def containers(stack: Stack) -> list[str]:
    """The ids of the containers that this stack's emulator started."""
    ids = output(["docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}={stack.owner}"])
    return (ids or "").split()


def remove(*names: str) -> None:
    """Remove containers and their volumes."""
    if names:
        run(["docker", "rm", "--force", "--volumes", *names], remedy="make down", quiet=True)

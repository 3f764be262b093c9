"""What the steps ask of Docker. Only images and containers named or labelled by this stack
are ever made, stopped or removed."""

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
    """Whether an image is on this machine, fetching it where a registry answers."""
    return has_image(name) or succeeds(["docker", "pull", "--quiet", name])


def containers(stack: Stack) -> list[str]:
    """Ids of the containers that this stack's emulator started."""
    listed = output(
        ["docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}={stack.owner}"]
    )
    return (listed or "").split()


def remove_containers(stack: Stack) -> int:
    """Remove what a killed emulator left; how many there were."""
    left = containers(stack)
    if left:
        run(["docker", "rm", "--force", "--volumes", *left], remedy="make down", quiet=True)
    return len(left)

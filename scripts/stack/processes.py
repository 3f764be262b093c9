"""Other programs, run to their end."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.stack.report import StackError


def run(
    command: Sequence[str | Path],
    *,
    remedy: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> str:
    """Run a command and return its standard output (empty unless `quiet`).

    A command that fails raises StackError; `quiet` ones with the last lines they printed.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise StackError(f"{command[0]} is not installed.", "make preflight") from None
    if done.returncode != 0:
        said = "\n".join((done.stdout or "").strip().splitlines()[-15:])
        name = " ".join(str(part) for part in command[:3])
        raise StackError(f"`{name}` failed ({done.returncode}).\n{said}".rstrip(), remedy)
    return done.stdout or ""


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a command exists and exits 0; it prints nothing."""
    return output(command) is not None


def output(command: Sequence[str | Path]) -> str | None:
    """A command's standard output, or None when it is missing or fails."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
    except (FileNotFoundError, PermissionError):
        return None
    return done.stdout if done.returncode == 0 else None

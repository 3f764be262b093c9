"""Run other programs."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.stack.report import StackError, say


def run(
    command: Sequence[str | Path],
    *,
    remedy: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> str:
    """Run a command. A `quiet` command prints nothing: its output is returned instead.

    Raises StackError if the command fails, with the last lines of its output if it is `quiet`.
    """
    try:
        result = subprocess.run(
            command,
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
    if result.returncode != 0:
        lines = "\n".join((result.stdout or "").strip().splitlines()[-15:])
        name = " ".join(str(part) for part in command[:3])
        raise StackError(f"`{name}` failed ({result.returncode}).\n{lines}".rstrip(), remedy)
    return result.stdout or ""


def install_locked(name: str, venv: Path, lock: Path, *, remedy: str) -> None:
    """Install the packages of `lock` into a new virtual environment, if the lock has changed."""
    installed_from = venv / "installed-from.txt"
    if installed_from.exists() and installed_from.read_text() == lock.read_text():
        return
    say(f"installing {name} into its own virtual environment")
    shutil.rmtree(venv, ignore_errors=True)
    run([sys.executable, "-m", "venv", venv], remedy=remedy, quiet=True)
    run(
        [
            *(venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install"),
            *("--quiet", "--require-hashes", "--requirement", lock),
        ],
        remedy=remedy,
        quiet=True,
    )
    installed_from.write_text(lock.read_text())


def write_private(file: Path, text: str) -> None:
    """Write a file that only this account can read."""
    file.touch(mode=0o600)
    file.write_text(text)


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether a command exists and exits with 0. Prints nothing."""
    return output(command) is not None


def output(command: Sequence[str | Path]) -> str | None:
    """The standard output of a command, or None if the command is missing or fails."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        ).stdout
    except (FileNotFoundError, PermissionError, subprocess.CalledProcessError):
        return None

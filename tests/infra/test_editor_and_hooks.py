"""The files follow .editorconfig, and the pre-commit hooks are the commands of `make check`."""

import re
import subprocess
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]


def tracked_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if (PROJECT / name).is_file()]


def settings_of(name: str, sections: ConfigParser) -> dict[str, str]:
    """The settings of one file: a later section of .editorconfig replaces an earlier one."""
    settings: dict[str, str] = {}
    for pattern in sections.sections():
        braces = re.fullmatch(r"(.*){(.*)}(.*)", pattern)
        globs = [pattern]
        if braces:
            globs = [braces[1] + choice + braces[3] for choice in braces[2].split(",")]
        if any(fnmatch(name if "/" in glob else Path(name).name, glob) for glob in globs):
            settings |= dict(sections[pattern])
    return settings


def test_every_file_is_as_the_editor_settings_say() -> None:
    sections = ConfigParser()
    sections.read_string("[top]\n" + (PROJECT / ".editorconfig").read_text())
    sections.remove_section("top")

    wrong = []
    for name in tracked_files():
        settings, content = settings_of(name, sections), (PROJECT / name).read_bytes()
        if b"\0" in content or settings["charset"] == "unset":
            continue
        lines = content.decode("utf-8").split("\n")
        if "\r" in content.decode() or any(line != line.rstrip() for line in lines):
            wrong.append(f"{name}: white space at the end of a line")
        if lines[-1]:
            wrong.append(f"{name}: no newline at the end")
        indents = {line[0] for line in lines if line[:1] in {" ", "\t"}}
        if "\t" in indents and settings["indent_style"] != "tab":
            wrong.append(f"{name}: indented with tabs")

    assert wrong == []


@pytest.fixture
def hooks() -> dict[str, str]:
    """The command of each hook by the hook's id."""
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())
    (local,) = config["repos"]
    assert local["repo"] == "local"  # nothing is fetched that the lock does not pin
    assert all(hook["language"] == "system" for hook in local["hooks"])
    return {hook["id"]: hook["entry"] for hook in local["hooks"]}


def test_hooks_are_the_commands_of_make_check(hooks: dict[str, str]) -> None:
    command = ["make", "--dry-run", "--assume-old=.venv/dev", "check"]  # installs nothing
    dry_run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    commands = [line for line in dry_run.stdout.splitlines() if not line.startswith("echo ")]

    # These two loop over files and targets in the shell.
    shellcheck = next(line for line in commands if "shellcheck" in line)
    every_target = next(line for line in commands if line.startswith("for target in "))
    own = {hooks.pop("shellcheck"), hooks.pop("make")}

    assert own == {shellcheck.split()[-1], "make --dry-run check"}
    assert set(hooks.values()) == set(commands) - {shellcheck, every_target}


def test_hook_sees_the_shell_scripts_that_make_check_sees() -> None:
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())
    (shellcheck,) = (hook for hook in config["repos"][0]["hooks"] if hook["id"] == "shellcheck")

    seen = {name for name in tracked_files() if re.search(shellcheck["files"], name)}

    scripts = {name for name in tracked_files() if name == ".ci/run" or name.endswith(".sh")}
    assert seen == scripts

"""Make a release (`make release VERSION=1.2.3`): check, date the changelog, commit and tag.

Invariant: a release that is refused or fails leaves the repository unchanged. This pushes nothing.
"""

import argparse
import re
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

from scripts.cli import CommandError, handle_exit

PROJECT = Path(__file__).resolve().parent.parent
BRANCH = "main"
UNRELEASED = "## [Unreleased]\n"
_VERSION = r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}"
_VERSION_LINE = re.compile(rf'^VERSION = "({_VERSION})"$', re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.release", description=__doc__)
    parser.add_argument("version", help="the new version, for example 1.2.3")
    version = parser.parse_args().version
    with handle_exit():
        release(PROJECT, version, datetime.now(UTC).date())
        print(f"Tagged v{version}. To publish: git push origin {BRANCH} v{version}")


def release(project: Path, version: str, today: date) -> None:
    """Commit and tag `version` in the repository at `project`. Raises CommandError."""
    version_file, changelog = project / "common" / "version.py", project / "CHANGELOG.md"
    _require_newer(version, current_version(version_file.read_text()))
    branch = _git(project, "branch", "--show-current")
    if branch != BRANCH:
        raise CommandError(f"releases are made on {BRANCH}; this is {branch or 'no branch'}.")
    if _git(project, "tag", "--list", f"v{version}"):
        raise CommandError(f"the tag v{version} exists already.")
    notes = unreleased_notes(changelog.read_text())
    _require_clean(project)
    if subprocess.run(["make", "check", "test"], cwd=project, check=False).returncode:
        raise CommandError("make check test failed, so nothing was released.")
    _require_clean(project)
    before = _git(project, "rev-parse", "HEAD")
    try:
        text = version_file.read_text()
        version_file.write_text(_VERSION_LINE.sub(f'VERSION = "{version}"', text))
        dated = f"{UNRELEASED}\n## [{version}] - {today}\n"
        changelog.write_text(changelog.read_text().replace(UNRELEASED, dated, 1))
        _git(project, "commit", "--quiet", "--all", "--message", f"Release {version}")
        # Git's default cleanup would remove the headings of the notes, which begin with #.
        message = f"Version {version}\n\n{notes}"
        _git(project, "tag", "--annotate", "--cleanup=whitespace", "-m", message, f"v{version}")
    except CommandError:
        _git(project, "reset", "--quiet", "--hard", before)
        raise


def current_version(text: str) -> str:
    """The version that the text of common/version.py holds. Raises CommandError."""
    line = _VERSION_LINE.search(text)
    if line is None:
        raise CommandError("common/version.py holds no version.")
    return line[1]


def unreleased_notes(changelog: str) -> str:
    """The section Unreleased of the changelog. Raises CommandError if it lists no change."""
    _, heading, rest = changelog.partition(UNRELEASED)
    if not heading:
        raise CommandError(f"CHANGELOG.md has no section {UNRELEASED.strip()!r}.")
    notes = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not re.search(r"^- ", notes, re.MULTILINE):
        raise CommandError("CHANGELOG.md lists no change under Unreleased: add one first.")
    return notes


def _require_newer(version: str, current: str) -> None:
    if not re.fullmatch(_VERSION, version, re.ASCII):
        raise CommandError(f"{version!r} is not a version: make release VERSION=1.2.3")
    if _numbers(version) <= _numbers(current):
        raise CommandError(f"{version} is not newer than the current version {current}.")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _require_clean(project: Path) -> None:
    changed = _git(project, "status", "--porcelain")
    if changed:
        raise CommandError(f"there are uncommitted changes:\n{changed}")


def _git(project: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise CommandError(f"git {arguments[0]} failed: {result.stderr.strip()}")
    return result.stdout.strip()


if __name__ == "__main__":
    main()

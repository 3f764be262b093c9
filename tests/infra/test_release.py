"""`make release` on a temporary repository: what it writes and what it refuses."""

import re
import subprocess
import tomllib
from datetime import date
from pathlib import Path

import pytest

from common.version import VERSION
from scripts.cli import CommandError
from scripts.release import current_version, release

PROJECT = Path(__file__).resolve().parents[2]
DAY = date(2026, 3, 1)
CHANGELOG = """# Changelog

## [Unreleased]

### Added

- Reports.

## [0.9.0] - 2026-01-31

- Leads.
"""
MAKEFILE = "check:\n\t@touch .checked\n\ntest:\n\t@touch .tested\n"


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=repository, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(repository: Path, **texts: str) -> None:
    """Commit these texts, by name: changelog, version, makefile."""
    names = {"changelog": "CHANGELOG.md", "version": "common/version.py", "makefile": "Makefile"}
    for name, text in texts.items():
        (repository / names[name]).write_text(text)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "Change something")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean repository on main, at version 0.9.0, with one change to release."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for part in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{part}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{part}_EMAIL", "ann@people.test")
    (tmp_path / "common").mkdir()
    (tmp_path / ".gitignore").write_text(".checked\n.tested\n")
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    commit(tmp_path, changelog=CHANGELOG, version='VERSION = "0.9.0"\n', makefile=MAKEFILE)
    return tmp_path


def test_release_is_committed_and_tagged_with_its_notes(repository: Path) -> None:
    release(repository, "0.10.0", DAY)

    assert (repository / "common" / "version.py").read_text() == 'VERSION = "0.10.0"\n'
    dated = "## [Unreleased]\n\n## [0.10.0] - 2026-03-01\n\n### Added\n\n- Reports.\n"
    assert (repository / "CHANGELOG.md").read_text() == CHANGELOG.replace(
        "## [Unreleased]\n\n### Added\n\n- Reports.\n", dated
    )
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "log", "-1", "--format=%s") == "Release 0.10.0"
    assert git(repository, "rev-parse", "v0.10.0^{commit}") == git(repository, "rev-parse", "HEAD")
    message = git(repository, "tag", "--list", "v0.10.0", "--format=%(contents)")
    assert message == "Version 0.10.0\n\n### Added\n\n- Reports."


def test_release_runs_the_checks_and_the_tests_first(repository: Path) -> None:
    release(repository, "1.0.0", DAY)

    assert (repository / ".checked").exists()
    assert (repository / ".tested").exists()


@pytest.mark.parametrize("version", ["", "1", "1.0", "v1.0.0", "1.0.0-rc1", "01.0.0", "1.0.٣"])
def test_malformed_version_is_refused(repository: Path, version: str) -> None:
    assert_refused(repository, version, "is not a version: make release VERSION=1.2.3")


@pytest.mark.parametrize("version", ["0.9.0", "0.8.9", "0.0.10"])
def test_version_must_be_newer(repository: Path, version: str) -> None:
    assert_refused(repository, version, f"{version} is not newer than the current version 0.9.0")


def test_release_is_made_on_main_alone(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "feature")

    assert_refused(repository, "1.0.0", "releases are made on main; this is feature")


def test_tree_must_be_clean(repository: Path) -> None:
    (repository / "new.py").touch()

    assert_refused(repository, "1.0.0", r"uncommitted changes:\n\?\? new\.py")


def test_existing_tag_is_left_alone(repository: Path) -> None:
    git(repository, "tag", "v1.0.0")

    with pytest.raises(CommandError, match=r"the tag v1\.0\.0 exists already"):
        release(repository, "1.0.0", DAY)


@pytest.mark.parametrize(
    ("changelog", "reason"),
    [
        ("# Changelog\n", "no section"),
        ("# Changelog\n\n## [Unreleased]\n", "lists no change"),
        (
            "## [Unreleased]\n\n### Added\n\n## [0.9.0] - 2026-01-31\n\n- Leads.\n",
            "lists no change",
        ),
    ],
)
def test_changelog_must_say_what_changed(repository: Path, changelog: str, reason: str) -> None:
    commit(repository, changelog=changelog)

    assert_refused(repository, "1.0.0", reason)


@pytest.mark.parametrize("target", ["check", "test"])
def test_failing_checks_or_tests_prevent_a_release(repository: Path, target: str) -> None:
    commit(repository, makefile=MAKEFILE.replace(f"{target}:\n", f"{target}:\n\t@false\n"))

    assert_refused(repository, "1.0.0", "make check test failed, so nothing was released")


def test_tests_that_change_the_tree_prevent_a_release(repository: Path) -> None:
    commit(repository, makefile=MAKEFILE.replace(".tested", "left-over.txt"))

    with pytest.raises(CommandError, match=r"left-over\.txt"):
        release(repository, "1.0.0", DAY)


def test_failed_commit_leaves_the_repository_unchanged(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)

    assert_refused(repository, "1.0.0", "git commit failed: not today")
    assert git(repository, "status", "--porcelain") == ""


def test_newest_release_of_the_changelog_is_the_current_version() -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text()

    unreleased, *released = re.findall(r"^## (.*)$", changelog, re.MULTILINE)

    assert unreleased == "[Unreleased]"
    assert all(
        re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in released
    )
    assert not released or released[0].startswith(f"[{VERSION}] - ")


def test_version_of_this_project_stands_in_one_place() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())

    assert current_version((PROJECT / "common" / "version.py").read_text()) == VERSION
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "common.version.VERSION"}


def assert_refused(repository: Path, version: str, reason: str) -> None:
    """The release ends with this reason, and no commit and no tag is made."""
    head = git(repository, "rev-parse", "HEAD")

    with pytest.raises(CommandError, match=reason):
        release(repository, version, DAY)

    assert git(repository, "rev-parse", "HEAD") == head
    assert git(repository, "tag", "--list") == ""

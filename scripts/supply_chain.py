"""`make audit`: locks, known vulnerabilities, secrets, the image, and a bill of materials.

Invariant: what could not be asked for want of its service is said by name, never passed over; in CI
that is a failure unless CI_MAY_SKIP allows it. Terraform is checked by checkov, with `make
test-infra`.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

from scripts.cli import CommandError, ending_as_a_command

ROOT = Path(__file__).resolve().parent.parent
SBOM = ROOT / ".data" / "sbom"
# Each deployable's lock, and the extra of pyproject.toml that it locks.
LOCKS = {
    "functions/ingest": "ingest",
    "services/reports": "reports",
    "scripts": "demo",
    "tests": "dev",
}
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)
# Ruff's S105 to S107 look for passwords in code; these know the forms of real keys.
_SECRETS = (
    *("AWSKeyDetector", "ArtifactoryDetector", "AzureStorageKeyDetector", "BasicAuthDetector"),
    *("CloudantDetector", "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector"),
    *("JwtTokenDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector"),
    *("PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector"),
    *("SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector"),
)
_SKIPPED = "SKIPPED"
_NO_TEXT = {".png", ".pdf", ".zip", ".woff2"}


def locked(lock: Path) -> dict[str, str]:
    """Versions by normalised name. Raises CommandError where a package has no hash."""
    text = lock.read_text()
    entries = re.split(r"\n(?=\S)", text.replace("\\\n", " "))
    bare = [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry]
    if bare:
        raise CommandError(f"{lock.relative_to(ROOT)} pins without a hash: {bare[0].split()[0]}")
    return {_normal(name): version for name, version in _PINNED.findall(text)}


def check_locks() -> str:
    """Every lock is hashed, holds what pyproject.toml asks for, and agrees with the largest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    everything = locked(ROOT / "tests" / "requirements.txt")
    for folder, extra in LOCKS.items():
        packages = locked(ROOT / folder / "requirements.txt")
        asked = [*project["dependencies"], *project["optional-dependencies"][extra]]
        names = {_normal(re.split(r"[\[<>=!~ ;]", each)[0]) for each in asked}
        missing = names - packages.keys() - {"lead-billing-engine"}
        if missing:
            raise CommandError(f"{folder}/requirements.txt lacks {', '.join(sorted(missing))}")
        differing = {name for name in packages if everything.get(name) != packages[name]}
        if differing:
            raise CommandError(f"{folder} and tests lock other versions of {sorted(differing)}")
    return f"{len(everything)} packages, every one pinned and hashed"


def check_advisories() -> str:
    """No locked version has a known vulnerability, as far as the advisory service answers."""
    command = ["pip-audit", "--require-hashes", "--disable-pip", "--no-deps", "--format", "json"]
    command += ["--progress-spinner", "off", "--timeout", "15", "-r", "tests/requirements.txt"]
    asked = _run(*command)
    try:
        packages = json.loads(asked.stdout)["dependencies"]
    except ValueError:
        return f"{_SKIPPED}: the advisory service does not answer ({_last_line(asked.stderr)})"
    known = [each for each in packages if "skip_reason" not in each]
    vulnerable = [each for each in known if each["vulns"]]
    if vulnerable:
        told = (f"{v['name']} {v['version']}: {v['vulns'][0]['id']}" for v in vulnerable)
        raise CommandError(f"known vulnerabilities: {'; '.join(told)}")
    if not known:
        return f"{_SKIPPED}: the advisory service knows nothing of {len(packages)} packages"
    unknown = len(packages) - len(known)
    left_out = f"; {_SKIPPED}: it knows nothing of {unknown} others"
    return f"none known in {len(known)} of {len(packages)} packages{left_out if unknown else ''}"


def check_npm() -> str:
    """The same for the packages of the console's browser tests."""
    folders = {ROOT / file for file in _tracked() if Path(file).name == "package-lock.json"}
    if not folders:
        return "no lock of npm's"
    if shutil.which("npm") is None:
        return f"{_SKIPPED}: npm is not on this machine"
    for lock in sorted(folders):
        asked = _run("npm", "audit", "--package-lock-only", "--json", folder=lock.parent)
        try:
            counts: dict[str, int] = json.loads(asked.stdout)["metadata"]["vulnerabilities"]
        except (ValueError, KeyError):
            return f"{_SKIPPED}: npm's advisory service does not answer"
        if counts["high"] + counts["critical"]:
            raise CommandError(f"{lock.parent.relative_to(ROOT)}: npm audit finds {counts}")
    return "none known that is high or critical"


def check_secrets() -> str:
    """No file of the tree, and no line that was ever committed, holds a key of a known form."""
    files = [ROOT / file for file in _tracked() if Path(file).suffix not in _NO_TEXT]
    with tempfile.TemporaryDirectory() as folder:
        history = Path(folder) / "history.txt"
        log = ["git", "log", "-p", "--unified=0", "--no-color", "--format=%H", "--", "."]
        log += [":!*requirements.txt", ":!*package-lock.json"]
        with history.open("wb") as file:
            subprocess.run(log, cwd=ROOT, stdout=file, check=True)
        found = list(_secrets([*files, history]))
    if found:
        raise CommandError(f"these look like secrets: {', '.join(found)}")
    return f"none in {len(files)} files and in the history that is here"


def check_image() -> str:
    """The Dockerfile keeps hadolint's rules, runs as nobody in particular, and says if it lives."""
    for file in (ROOT / name for name in _tracked() if Path(name).name.startswith("Dockerfile")):
        linted = _run("hadolint", str(file))
        if linted.returncode:
            raise CommandError(linted.stdout.strip())
        text = file.read_text()
        users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
        if not users or not users[-1].isdigit() or users[-1] == "0":
            raise CommandError(f"{file.name} must end as a numbered user other than root")
        if not re.search(r"^HEALTHCHECK (?!NONE)", text, re.MULTILINE):
            raise CommandError(f"{file.name} needs a HEALTHCHECK")
    return "hadolint, user, health check"


def make_sbom() -> str:
    """A CycloneDX bill of materials of each deployable, the same for the same lock."""
    SBOM.mkdir(parents=True, exist_ok=True)
    for folder in ("functions/ingest", "services/reports"):
        lock, made = ROOT / folder / "requirements.txt", SBOM / f"{LOCKS[folder]}.cdx.json"
        command = ["cyclonedx-py", "requirements", "--output-reproducible", "--of", "JSON"]
        done = _run(*command, "-o", str(made), str(lock))
        if done.returncode:
            raise CommandError(_last_line(done.stderr))
        components = json.loads(made.read_text())["components"]
        listed = {_normal(each["name"]): each["version"] for each in components}
        if listed != locked(lock):
            raise CommandError(f"{made.name} and {folder}/requirements.txt differ")
    return f"{', '.join(sorted(made.name for made in SBOM.glob('*.json')))} in .data/sbom"


CHECKS: dict[str, Callable[[], str]] = {
    "locks": check_locks,
    "known vulnerabilities (PyPI)": check_advisories,
    "known vulnerabilities (npm)": check_npm,
    "secrets": check_secrets,
    "image": check_image,
    "bill of materials": make_sbom,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.supply_chain", description=__doc__)
    parser.add_argument("--sbom", action="store_true", help="only the bill of materials")
    checks = {"bill of materials": make_sbom} if parser.parse_args().sbom else CHECKS
    with ending_as_a_command():
        run(checks)


def run(checks: dict[str, Callable[[], str]]) -> None:
    """Tells each check's outcome. Raises CommandError where one is skipped that may not be."""
    skipped = []
    for name, check in checks.items():
        outcome = check()
        print(f"{name}: {outcome}", flush=True)
        if _SKIPPED in outcome:
            skipped.append(name)
    if skipped and os.environ.get("CI") and "advisories" not in _may_be_skipped():
        raise CommandError(
            f"skipped, which fails in CI unless CI_MAY_SKIP has advisories: {', '.join(skipped)}"
        )


def _may_be_skipped() -> list[str]:
    return os.environ.get("CI_MAY_SKIP", "").split()


def _secrets(files: list[Path]) -> Iterator[str]:
    with transient_settings({"plugins_used": [{"name": name} for name in _SECRETS]}):
        for file in files:
            for secret in scan_file(str(file)):
                yield f"{file.name}:{secret.line_number} ({secret.type})"


def _tracked() -> list[str]:
    listed = _run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def _run(program: str, *arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    beside = Path(sys.executable).absolute().with_name(program)
    command: list[Any] = [beside if beside.exists() else program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]


if __name__ == "__main__":
    main()

"""Check locks, known vulnerabilities, secrets, image and workflows; write the SBOM (`make audit`).

Invariant: a check that needs an unreachable service prints SKIPPED. In CI a skipped check is a
failure, unless CI_MAY_SKIP allows it. `make test-infra` checks Terraform, with checkov.
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

from scripts.cli import CommandError, handle_exit

ROOT = Path(__file__).resolve().parent.parent
SBOM = ROOT / ".data" / "sbom"
# Each folder that has a lock, and the extra of pyproject.toml that the lock pins.
LOCKS = {
    "functions/ingest": "ingest",
    "services/reports": "reports",
    "scripts": "demo",
    "tests": "dev",
}
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)
# Ruff's S105 to S107 look for passwords in code; these detectors know the formats of real keys.
_DETECTORS = (
    *("AWSKeyDetector", "ArtifactoryDetector", "AzureStorageKeyDetector", "BasicAuthDetector"),
    *("CloudantDetector", "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector"),
    *("JwtTokenDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector"),
    *("PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector"),
    *("SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector"),
)
_SKIPPED = "SKIPPED"
_BINARY_SUFFIXES = {".png", ".pdf", ".zip", ".woff2"}


def locked_versions(lock: Path) -> dict[str, str]:
    """Versions by normalised package name. Raises CommandError if a package has no hash."""
    text = lock.read_text()
    entries = re.split(r"\n(?=\S)", text.replace("\\\n", " "))
    bare = [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry]
    if bare:
        raise CommandError(f"{lock.relative_to(ROOT)} pins without a hash: {bare[0].split()[0]}")
    return {_normalise(name): version for name, version in _PINNED.findall(text)}


def check_locks() -> str:
    """Every lock has hashes, lacks no package of pyproject.toml and agrees with the largest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    largest = locked_versions(ROOT / "tests" / "requirements.txt")
    for folder, extra in LOCKS.items():
        versions = locked_versions(ROOT / folder / "requirements.txt")
        requirements = [*project["dependencies"], *project["optional-dependencies"][extra]]
        names = {_normalise(re.split(r"[\[<>=!~ ;]", line)[0]) for line in requirements}
        missing = names - versions.keys() - {"lead-billing-engine"}
        if missing:
            raise CommandError(f"{folder}/requirements.txt lacks {', '.join(sorted(missing))}")
        differing = {name for name in versions if largest.get(name) != versions[name]}
        if differing:
            raise CommandError(f"{folder} and tests lock other versions of {sorted(differing)}")
    return f"all {len(largest)} packages are pinned and hashed"


def check_advisories() -> str:
    """No locked version has a vulnerability that the advisory service knows."""
    command = ["pip-audit", "--require-hashes", "--disable-pip", "--no-deps", "--format", "json"]
    command += ["--progress-spinner", "off", "--timeout", "15", "-r", "tests/requirements.txt"]
    audit = _run(*command)
    try:
        packages = json.loads(audit.stdout)["dependencies"]
    except ValueError:
        return f"{_SKIPPED}: the advisory service does not answer ({_last_line(audit.stderr)})"
    known = [package for package in packages if "skip_reason" not in package]
    vulnerable = [package for package in known if package["vulns"]]
    if vulnerable:
        names = (
            f"{item['name']} {item['version']}: {item['vulns'][0]['id']}" for item in vulnerable
        )
        raise CommandError(f"known vulnerabilities: {'; '.join(names)}")
    if not known:
        return f"{_SKIPPED}: the advisory service knows none of the {len(packages)} packages"
    unknown = len(packages) - len(known)
    note = f"; {_SKIPPED}: it does not know {unknown} others" if unknown else ""
    return f"none known in {len(known)} of {len(packages)} packages{note}"


def check_npm() -> str:
    """No npm package of the tests and the TypeScript types has a high or critical vulnerability."""
    locks = {ROOT / file for file in _files() if Path(file).name == "package-lock.json"}
    if not locks:
        return "no package-lock.json"
    if shutil.which("npm") is None:
        return f"{_SKIPPED}: npm is not installed"
    for lock in sorted(locks):
        audit = _run("npm", "audit", "--package-lock-only", "--json", folder=lock.parent)
        try:
            counts: dict[str, int] = json.loads(audit.stdout)["metadata"]["vulnerabilities"]
        except (ValueError, KeyError):
            return f"{_SKIPPED}: npm's advisory service does not answer"
        if counts["high"] + counts["critical"]:
            raise CommandError(f"{lock.parent.relative_to(ROOT)}: npm audit finds {counts}")
    return "none known that is high or critical"


def check_secrets() -> str:
    """No file and no committed line contains a key in a known format."""
    files = [ROOT / file for file in _files() if Path(file).suffix not in _BINARY_SUFFIXES]
    with tempfile.TemporaryDirectory() as folder:
        history = Path(folder) / "history.txt"
        log = ["git", "log", "-p", "--unified=0", "--no-color", "--format=%H", "--", "."]
        log += [":!*requirements.txt", ":!*package-lock.json"]
        with history.open("wb") as file:
            subprocess.run(log, cwd=ROOT, stdout=file, check=True)
        secrets = list(_secrets([*files, history]))
    if secrets:
        raise CommandError(f"these look like secrets: {', '.join(secrets)}")
    return f"none in {len(files)} files and their history"


def check_image() -> str:
    """Each Dockerfile passes hadolint, runs as a user other than root, and has a health check."""
    for file in (ROOT / name for name in _files() if Path(name).name.startswith("Dockerfile")):
        lint = _run("hadolint", str(file))
        if lint.returncode:
            raise CommandError(lint.stdout.strip())
        text = file.read_text()
        users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
        if not users or not users[-1].isdigit() or users[-1] == "0":
            raise CommandError(f"the last USER of {file.name} must be a number other than 0")
        if not re.search(r"^HEALTHCHECK (?!NONE)", text, re.MULTILINE):
            raise CommandError(f"{file.name} needs a HEALTHCHECK")
    return "hadolint, user, health check"


# Files that GitHub and Docker read, and the schemas of theirs that check-jsonschema brings.
SCHEMAS = {
    ".github/workflows/*.yml": "vendor.github-workflows",
    ".github/ISSUE_TEMPLATE/*.yml": "vendor.github-issue-forms",
    "compose.yaml": "vendor.compose-spec",
}


def check_workflows(root: Path = ROOT) -> str:
    """The files of SCHEMAS are valid, and zizmor finds nothing unsafe in a workflow; no network."""
    for pattern, schema in SCHEMAS.items():
        files = [str(file) for file in sorted(root.glob(pattern))]
        valid = _run("check-jsonschema", "--builtin-schema", schema, *files)
        if valid.returncode or not files:
            raise CommandError(f"{pattern}: {valid.stdout.strip() or valid.stderr.strip()}")
    safe = _run("zizmor", "--offline", "--quiet", "--color", "never", str(root / ".github"))
    if safe.returncode:
        raise CommandError(safe.stdout.strip())
    return "the schemas of workflows, issue forms and compose.yaml; zizmor"


DEPLOYABLES = ("functions/ingest", "services/reports")


def make_sbom(folders: Sequence[str] = DEPLOYABLES) -> str:
    """Write a CycloneDX bill of materials per deployable; the same lock gives the same file."""
    SBOM.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        lock, sbom = ROOT / folder / "requirements.txt", SBOM / f"{LOCKS[folder]}.cdx.json"
        command = ["cyclonedx-py", "requirements", "--output-reproducible", "--of", "JSON"]
        generator = _run(*command, "-o", str(sbom), str(lock))
        if generator.returncode:
            raise CommandError(_last_line(generator.stderr))
        components = json.loads(sbom.read_text())["components"]
        if {_normalise(part["name"]): part["version"] for part in components} != locked_versions(
            lock
        ):
            raise CommandError(f"{sbom.name} and {folder}/requirements.txt differ")
    return f"{', '.join(sorted(sbom.name for sbom in SBOM.glob('*.json')))} in .data/sbom"


CHECKS: dict[str, Callable[[], str]] = {
    "locks": check_locks,
    "known vulnerabilities (PyPI)": check_advisories,
    "known vulnerabilities (npm)": check_npm,
    "secrets": check_secrets,
    "image": check_image,
    "workflows": check_workflows,
    "bill of materials": make_sbom,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.supply_chain", description=__doc__)
    parser.add_argument("--sbom", action="store_true", help="only write the bill of materials")
    checks = (
        {"bill of materials": CHECKS["bill of materials"]} if parser.parse_args().sbom else CHECKS
    )
    with handle_exit():
        run(checks)


def run(checks: dict[str, Callable[[], str]]) -> None:
    """Print the outcome of each check. Raises CommandError if CI does not allow a skipped one."""
    skipped = []
    for name, check in checks.items():
        outcome = check()
        print(f"{name}: {outcome}", flush=True)
        if _SKIPPED in outcome:
            skipped.append(name)
    may_skip = os.environ.get("CI_MAY_SKIP", "").split()
    if skipped and os.environ.get("CI") and "advisories" not in may_skip:
        raise CommandError(
            f"CI fails on skipped checks unless CI_MAY_SKIP has advisories: {', '.join(skipped)}"
        )


def _secrets(files: list[Path]) -> Iterator[str]:
    with transient_settings({"plugins_used": [{"name": name} for name in _DETECTORS]}):
        for file in files:
            for secret in scan_file(str(file)):
                yield f"{file.name}:{secret.line_number} ({secret.type})"


def _files() -> list[str]:
    """Every file that git tracks or would track."""
    listing = _run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def _run(program: str, *arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    in_venv = Path(sys.executable).absolute().with_name(program)
    command: list[Any] = [in_venv if in_venv.exists() else program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no output"])[-1]


if __name__ == "__main__":
    main()

"""Build the functions' zips from our code and the locked packages.

Invariant: the same sources and the same lock give the same bytes.
"""

import hashlib
import re
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import emulator
from scripts.stack.processes import run
from scripts.stack.report import StackError, say
from scripts.stack.settings import ROOT, Stack

# Lambda's own limits, in bytes.
ZIP_LIMIT = 50 * 1024 * 1024
UNZIPPED_LIMIT = 250 * 1024 * 1024

# The earliest time that a zip can store.
EPOCH = (1980, 1, 1, 0, 0, 0)

# No program reads these at run time: installation records, headers, stubs, sources, tests.
WASTE_FOLDERS = {"__pycache__", "bin", "tests", "test"}
WASTE_SUFFIXES = {".pyc", ".pyi", ".pyx", ".pxd", ".c", ".h", ".txt"}
WASTE_NAMES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}

# For the background worker, which is no function: too large for a zip, and imported when used.
NOT_IN_A_ZIP = {"pyarrow", "xlsxwriter"}

# boto3 brings the description of every AWS service. Our code calls only these services.
AWS_SERVICES = {"lambda", "s3", "secretsmanager", "sqs", "sts", "xray"}


@dataclass(frozen=True)
class Package:
    """A function's zip: its lock, its code, and the modules that Lambda calls."""

    name: str
    lock: Path
    code: tuple[str, ...]
    handlers: tuple[str, ...]


INGEST = Package(
    "ingest",
    ROOT / "functions" / "ingest" / "requirements.txt",
    ("common", "functions"),
    (
        "functions.ingest.handler",
        "functions.ingest.queue_worker",
        "functions.ingest.spill_queue",
        "functions.imports.handler",
        "functions.webhooks.handler",
        "functions.ingest.webhooks",
    ),
)
REPORTS = Package(
    "reports",
    ROOT / "services" / "reports" / "requirements.txt",
    # alembic, because readiness compares the schema with the newest migration. In the zip, our
    # folder and the package `alembic` are one folder; no file is in both.
    ("common", "services", "alembic", "pyproject.toml"),
    ("services.reports.app",),
)


def build(stack: Stack, package: Package) -> Path:
    """Build a zip, import its handlers from it, and print its size."""
    target = stack.state / f"{package.name}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    emulator.install(stack)
    with tempfile.TemporaryDirectory(prefix="lead-billing-package-") as folder:
        contents = Path(folder)
        install(stack, package, contents)
        for code in package.code:
            add(ROOT / code, contents)
        unzipped = write_zip(contents, target)
    check(stack, package, target)
    size = target.stat().st_size
    if size > ZIP_LIMIT or unzipped > UNZIPPED_LIMIT:
        raise StackError(
            f"{target.name} is too large for Lambda: {size:,} bytes, {unzipped:,} unzipped.",
            f"find the large packages of {package.lock.relative_to(ROOT)}",
        )
    digest = hashlib.sha256(target.read_bytes()).hexdigest()[:12]
    say(f"{target.name}: {size / 1e6:.1f} MB, {unzipped / 1e6:.1f} MB unzipped, sha256 {digest}")
    return target


def install(stack: Stack, package: Package, contents: Path) -> None:
    """Install the locked packages, as wheels for the function's Python and processor."""
    python = emulator.functions_python(stack)
    platforms = wheel_platforms(python, stack.architecture)
    lock = stack.state / f"{package.name}-requirements.txt"
    lock.write_text(without(NOT_IN_A_ZIP, package.lock.read_text()))
    run(
        [
            *(stack.venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check"),
            *("install", "--quiet", "--target", contents, "--no-compile", "--no-deps"),
            *("--only-binary=:all:", "--implementation=cp", f"--python-version={python}"),
            *(f"--platform={platform}" for platform in platforms),
            *("--require-hashes", "--requirement", lock),
        ],
        remedy="read the lines above (no network? no wheel for this Python?), then make package",
        quiet=True,
    )


def without(names: set[str], lock: str) -> str:
    """A lock without some packages; the lines of a package are its name and what is indented."""
    entries = re.split(r"^(?=[^\s#])", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if re.split("[=;@ ]", entry)[0] not in names)


def add(source: Path, contents: Path) -> None:
    """Copy our code. Raises StackError if a package has a file with the same name."""
    for file in [source] if source.is_file() else sorted(source.rglob("*")):
        name = file.relative_to(ROOT)
        if not file.is_file() or is_waste(name):
            continue
        target = contents / name
        if target.exists():
            raise StackError(f"A package holds {name} too.", "rename ours, then make package")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def wheel_platforms(python: str, architecture: str) -> list[str]:
    """The wheels that run on Lambda: Amazon Linux 2 up to Python 3.11, then Amazon Linux 2023."""
    machine = "aarch64" if architecture == "arm64" else "x86_64"
    platforms = [f"manylinux2014_{machine}", f"manylinux_2_17_{machine}"]
    if tuple(int(part) for part in python.split(".")) >= (3, 12):
        platforms.append(f"manylinux_2_28_{machine}")
    return platforms


def write_zip(contents: Path, target: Path) -> int:
    """Zip a folder in sorted order, without times, owners and waste. Returns the unzipped size."""
    unzipped = 0
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(contents.rglob("*")):
            name = file.relative_to(contents)
            if not file.is_file() or is_waste(name):
                continue
            entry = zipfile.ZipInfo(name.as_posix(), EPOCH)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            data = file.read_bytes()
            unzipped += len(data)
            archive.writestr(entry, data, compresslevel=9)
    return unzipped


def is_waste(name: Path) -> bool:
    """Whether no program reads this file at run time."""
    folders = set(name.parts[:-1])
    if name.parts[:2] == ("botocore", "data") and len(name.parts) > 3:
        return name.parts[2] not in AWS_SERVICES
    in_metadata = any(part.endswith(".dist-info") for part in folders)
    return (
        bool(folders & WASTE_FOLDERS)
        or name.name in WASTE_NAMES
        or (name.suffix in WASTE_SUFFIXES and not in_metadata)
    )


def check(stack: Stack, package: Package, target: Path) -> None:
    """Import the handlers with only the packages of the zip and of Lambda's runtime.

    MiniStack also gives functions its own packages, so it would hide a missing package.
    """
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if emulator.functions_python(stack) != here or sys.platform != "linux":
        say(f"{target.name} is for another version of Python, so its import is not checked")
        return
    runtime = next((stack.venv / "lib").glob("python3.*")) / "site-packages"
    with tempfile.TemporaryDirectory(prefix="lead-billing-check-") as folder:
        with zipfile.ZipFile(target) as archive:
            archive.extractall(folder)
        program = (
            f"import sys; sys.path[:0] = [{folder!r}]; sys.path.append({str(runtime)!r}); "
            f"import {', '.join(package.handlers)}"
        )
        run(
            [sys.executable, "-I", "-S", "-c", program],
            environment={"PATH": "/usr/bin:/bin", "POWERTOOLS_SERVICE_NAME": "check"},
            remedy=f"add the missing package to {package.lock.relative_to(ROOT)}",
            quiet=True,
        )

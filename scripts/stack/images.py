"""The reporting service's image, and stand-ins for its base image if no registry answers.

A stand-in consists of Debian's packages and has its own name. The Dockerfile takes it as a build
argument, so the Dockerfile is always the same.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from scripts.stack import docker
from scripts.stack.processes import output, run
from scripts.stack.report import StackError, say
from scripts.stack.settings import BASE_IMAGE, ROOT, Stack

REPORTS = "lead-billing-reports"
# Starts the PostgreSQL stand-in as the official image starts.
ENTRYPOINT = Path(__file__).parent / "images" / "docker-entrypoint.sh"

STAND_IN_PYTHON = "lead-billing-standin/python3-debian:bookworm"

DEBIAN = "bookworm"
# The release of Debian that has each major version of PostgreSQL that is used here.
POSTGRES_IN_DEBIAN = {15: "bookworm", 17: "trixie"}
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def build_reports(stack: Stack) -> str:
    """Build the image and return its name, with a tag that identifies the content."""
    base = stack.base_image or base_image()
    say(f"base image {base}")
    run(
        [
            *("docker", "build", "--quiet", "--file", str(ROOT / "Dockerfile.reports")),
            *("--target", "reports"),
            *("--build-arg", f"BASE_IMAGE={base}", "--tag", f"{REPORTS}:built", str(ROOT)),
        ],
        environment={**os.environ, "DOCKER_BUILDKIT": "1" if has_buildx() else "0"},
        remedy="read the lines above, then make image",
        quiet=True,
    )
    inspect = ["docker", "image", "inspect", f"{REPORTS}:built", "--format"]
    identity = run([*inspect, "{{.Id}}"], remedy="make image", quiet=True).strip()
    size = int(run([*inspect, "{{.Size}}"], remedy="make image", quiet=True))
    name = f"{REPORTS}:{identity.removeprefix('sha256:')[:12]}"
    run(["docker", "tag", f"{REPORTS}:built", name], remedy="make image", quiet=True)
    say(f"{name}, {size / 1e6:.0f} MB")
    return name


def has_buildx() -> bool:
    """Whether Docker has its newer builder, which Debian's package lacks."""
    return output(["docker", "buildx", "version"]) is not None


def base_image() -> str:
    """The official Python image, or a stand-in if no registry answers."""
    if docker.pull(BASE_IMAGE):
        return BASE_IMAGE
    say(f"no registry answers for {BASE_IMAGE}: using a stand-in")
    build_stand_in(
        STAND_IN_PYTHON,
        ["ca-certificates", "python3", "python3-venv"],
        [
            "ENV LANG=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore",
            # pip has its own certificates; on a network that inspects TLS it needs this machine's.
            f"ENV PIP_CERT={CERTIFICATES}",
            'CMD ["python3"]',
        ],
    )
    return STAND_IN_PYTHON


def postgres_image(major_version: int) -> str | None:
    """None if Docker can fetch the official PostgreSQL image, else a stand-in."""
    if docker.pull(f"postgres:{major_version}-alpine"):
        return None
    debian = POSTGRES_IN_DEBIAN[major_version]
    programs = f"/usr/lib/postgresql/{major_version}/bin"
    name = f"lead-billing-standin/postgres{major_version}-debian:{debian}"
    build_stand_in(
        name,
        ["ca-certificates", f"postgresql-{major_version}"],
        [
            f"ENV PATH={programs}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "ENV PGDATA=/var/lib/postgresql/data",
            'ENTRYPOINT ["docker-entrypoint.sh"]',
            'CMD ["postgres"]',
        ],
        debian,
    )
    return name


def build_stand_in(
    name: str, packages: list[str], settings: list[str], debian: str = DEBIAN
) -> None:
    """Build an image of Debian's packages, unless one with the same recipe exists."""
    recipe = hashlib.sha256(
        "\n".join([debian, *packages, *settings, ENTRYPOINT.read_text()]).encode()
    ).hexdigest()[:12]
    label = '{{index .Config.Labels "recipe"}}'
    if (output(["docker", "image", "inspect", name, "--format", label]) or "").strip() == recipe:
        say(f"{name} exists already")
        return
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise StackError(
            f"No image registry answers, and building a stand-in ({name}) needs root and "
            "debootstrap.",
            "connect to a registry, or as root: bash scripts/stack/ci.sh docker, then make up; "
            "or use images you have: make up BASE_IMAGE=... POSTGRES_IMAGE=...",
        )
    say(f"building {name} from Debian's packages")
    with tempfile.TemporaryDirectory(prefix="lead-billing-standin-") as folder:
        root = Path(folder) / "root"
        run(
            [
                *("debootstrap", "--variant=minbase", f"--include={','.join(packages)}"),
                *(debian, str(root), *debian_mirror()),
            ],
            remedy="check that apt-get update works, then make image",
            quiet=True,
        )
        clean(root)
        import_root(root, name, [*settings, f"LABEL recipe={recipe}"])


def debian_mirror() -> list[str]:
    """The mirror that apt uses on this machine, or nothing: debootstrap knows Debian's own."""
    mirrors = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        remedy="apt-get update",
        quiet=True,
    )
    for mirror in mirrors.split():
        if mirror.rstrip("/").endswith("/debian"):
            return [mirror]
    return []


def clean(root: Path) -> None:
    """Delete what no container needs, and add this machine's certificates and the entrypoint."""
    for folder in (
        *("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"),
        "usr/share/locale",
    ):
        shutil.rmtree(root / folder, ignore_errors=True)
    for cluster in ("var/lib/postgresql", "etc/postgresql"):  # made when the package is installed
        for version in (root / cluster).glob("[0-9]*"):
            shutil.rmtree(version)
    for source in (root / "etc/apt").glob("sources.list*"):
        if source.is_file():
            source.unlink()
    if CERTIFICATES.exists():
        shutil.copyfile(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
    script = root / "usr/local/bin" / ENTRYPOINT.name
    shutil.copyfile(ENTRYPOINT, script)
    script.chmod(0o755)


def import_root(root: Path, name: str, settings: list[str]) -> None:
    """Turn a folder into an image."""
    changes = [part for setting in settings for part in ("--change", setting)]
    with subprocess.Popen(
        ["tar", "-C", root, "--numeric-owner", "-c", "."], stdout=subprocess.PIPE
    ) as archive:
        docker_import = subprocess.run(
            ["docker", "import", *changes, "-", name],
            stdin=archive.stdout,
            stdout=subprocess.DEVNULL,
            check=False,
        )
    if docker_import.returncode != 0 or archive.returncode != 0:
        raise StackError(
            f"Docker could not import {name}.", "check the free space (df -h), then make image"
        )

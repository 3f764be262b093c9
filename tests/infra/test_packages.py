"""What goes into a function's zip, and that it is always the same bytes."""

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.stack import packages
from scripts.stack.settings import ROOT


def test_same_contents_give_the_same_bytes(tmp_path: Path) -> None:
    zips = []
    for number, order in enumerate((["a.py", "b/c.py"], ["b/c.py", "a.py"])):
        contents = tmp_path / str(number)
        for name in order:
            file = contents / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
            file.chmod(0o600 if number else 0o755)
        target = tmp_path / f"{number}.zip"
        packages.write_zip(contents, target)
        zips.append(target.read_bytes())

    assert zips[0] == zips[1]


@pytest.mark.parametrize(
    "name",
    [
        "common/__pycache__/db.cpython-311.pyc",
        "pydantic/main.pyi",
        "sqlalchemy-2.0.dist-info/RECORD",
        "bin/uvicorn",
        "botocore/data/ec2/2016-11-15/service-2.json.gz",
        "functions/ingest/requirements.txt",
    ],
)
def test_what_is_never_read_stays_out(name: str) -> None:
    assert packages.is_waste(Path(name))


@pytest.mark.parametrize(
    "name",
    [
        "common/leads/sql/ingest_leads.sql",
        "botocore/data/endpoints.json",
        "botocore/data/secretsmanager/2017-10-17/service-2.json.gz",
        "pydantic-2.0.dist-info/METADATA",
        "services/reports/console/templates/report.html",
        "tzdata/zoneinfo/Europe/Berlin",
    ],
)
def test_what_is_read_goes_in(name: str) -> None:
    assert not packages.is_waste(Path(name))


def test_file_of_ours_never_replaces_one_of_a_package(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("a package's own")

    with pytest.raises(Exception, match=r"holds pyproject\.toml too"):
        packages.add(ROOT / "pyproject.toml", tmp_path)


def test_zip_leaves_out_what_the_background_worker_alone_imports() -> None:
    lock = packages.REPORTS.lock.read_text()
    assert all(f"{name}==" in lock for name in packages.NOT_IN_A_ZIP)

    kept = packages.without(packages.NOT_IN_A_ZIP, lock)

    assert not any(f"{name}==" in kept for name in packages.NOT_IN_A_ZIP)
    assert kept.count("==") == lock.count("==") - len(packages.NOT_IN_A_ZIP)
    code = "import sys, services.reports.app; print(sys.modules.keys() & {'pyarrow', 'xlsxwriter'})"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "set()"


def test_wheels_are_for_the_functions_own_linux() -> None:
    assert packages.wheel_platforms("3.11", "x86_64") == [
        "manylinux2014_x86_64",
        "manylinux_2_17_x86_64",
    ]
    assert "manylinux_2_28_aarch64" in packages.wheel_platforms("3.13", "arm64")


def test_zip_holds_nothing_but_files(tmp_path: Path) -> None:
    contents = tmp_path / "contents"
    (contents / "empty").mkdir(parents=True)
    (contents / "a.py").write_text("")
    target = tmp_path / "a.zip"

    packages.write_zip(contents, target)

    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == ["a.py"]


IMPORT_ALL = """
import importlib, importlib.abc, pkgutil, sys

class OnlyLocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"the image has no {name}")

sys.meta_path.insert(0, OnlyLocked())
import common, services
for package in (common, services):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
"""


def test_image_has_every_package_that_the_service_imports() -> None:
    locked = set(re.findall(r"^([\w.-]+)==", packages.REPORTS.lock.read_text(), re.MULTILINE))
    missing = {
        module
        for module, names in importlib.metadata.packages_distributions().items()
        if not {name.lower().replace("_", "-") for name in names} & locked
    } - {"common", "services"}

    code = f"MISSING = {sorted(missing)!r}{IMPORT_ALL}"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "moto" in missing

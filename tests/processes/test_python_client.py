"""The Python client as its README says: installed as a package, at a server of `make run`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import PROJECT, running

PACKAGE = PROJECT / "clients" / "python"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the package as it is installed, and nothing of this project."""
    folder = tmp_path_factory.mktemp("installed")
    install = ("uv", "pip", "install", "--quiet", "--no-deps", "--offline", "--no-cache")
    python = ("--python", sys.executable, "--target", str(folder))
    done = subprocess.run(
        [sys.executable, "-m", *install, *python, str(PACKAGE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_examples_of_the_readme_run_one_after_the_other(installed: Path, tmp_path: Path) -> None:
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    said = re.findall(r"print\(.*?\) +# (.*)$", code, re.MULTILINE)

    with running(tmp_path / "data", OPEN_ACCESS="false") as (_, server):
        key = (tmp_path / "data" / "admin_key").read_text().strip()
        ran = subprocess.run(
            [sys.executable, "-c", code.replace("http://127.0.0.1:8080", str(server.base_url))],
            cwd=tmp_path,
            env=os.environ | {"API_KEY": key, "PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert ran.returncode == 0, ran.stderr
    lines = iter(ran.stdout.splitlines())
    assert len(said) >= 7
    for words in said:  # each is printed, in this order
        first = words.partition(";")[0]
        assert first in lines, (first, ran.stdout)
    assert (tmp_path / "statement.pdf").read_bytes().startswith(b"%PDF")
    assert "unknown_engagement_level" in (tmp_path / "leads.refused.csv").read_text()


def test_package_holds_its_types_and_the_checks_of_reports(installed: Path) -> None:
    package = installed / "lead_billing_client"
    script = PROJECT / "scripts" / "verify_report.py"

    assert (package / "py.typed").exists()
    assert not (package / "report_checks.py").is_symlink()
    assert (package / "report_checks.py").read_bytes() == script.read_bytes()

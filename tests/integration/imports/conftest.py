"""A place for uploaded files."""

from pathlib import Path

import pytest

from common.settings import settings


@pytest.fixture
def files(configured_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FILE_STORE_DIR", str(tmp_path / "files"))
    settings.cache_clear()
    return tmp_path / "files"

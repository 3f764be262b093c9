"""The secrets that the steps of the stack write."""

import stat
from pathlib import Path

from scripts.stack.processes import write_private


def test_only_this_account_can_read_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "admin-key"

    write_private(file, "a longer secret")
    write_private(file, "secret")

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == "secret"

"""The stack's admin key: made here, of which only the hash goes into the deployment.

As a program it prints a key, its id and its hash, for a deployment elsewhere.
"""

import os

from common.access.tokens import Token
from scripts.stack import tasks
from scripts.stack.report import StackError, say
from scripts.stack.settings import Stack


def have_admin_key(stack: Stack) -> None:
    """Have a key that opens the stack's API, readable by this account alone."""
    kept = stack.state / "admin-key"
    if kept.exists():
        say("kept from before")
        return
    token = Token.new()
    tasks.run_task(
        stack,
        "reports",
        [
            *("python", "-m", "services.reports.cli", "key-create"),
            *("--name", "make up", "--role", "admin"),
            *("--key-id", token.key_id, "--key-hash", token.hash.hex()),
        ],
    )
    descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(token.text)


def authorization(stack: Stack) -> dict[str, str]:
    """The header that opens the stack's API."""
    kept = stack.state / "admin-key"
    if not kept.exists():
        raise StackError("There is no admin key yet.", "make up")
    return {"Authorization": f"Bearer {kept.read_text(encoding='ascii')}"}


if __name__ == "__main__":
    made = Token.new()
    print(f"key   {made.text}\nid    {made.key_id}\nhash  {made.hash.hex()}")

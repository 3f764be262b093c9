"""Create the stack's admin key. Only its hash goes into the deployment.

As a program, print a key, its id and its hash for another deployment.
"""

from common.access.tokens import Token
from scripts.stack import tasks
from scripts.stack.processes import write_private
from scripts.stack.report import StackError, say
from scripts.stack.settings import Stack


def create_admin_key(stack: Stack) -> None:
    """Create an admin key unless there is one, in a file that only this account can read."""
    file = stack.state / "admin-key"
    if file.exists():
        say("exists already")
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
    write_private(file, token.text)


def authorization(stack: Stack) -> dict[str, str]:
    """The Authorization header with the stack's admin key."""
    file = stack.state / "admin-key"
    if not file.exists():
        raise StackError("There is no admin key yet.", "make up")
    return {"Authorization": f"Bearer {file.read_text(encoding='ascii')}"}


if __name__ == "__main__":
    new = Token.new()
    print(f"key   {new.text}\nid    {new.key_id}\nhash  {new.hash.hex()}")

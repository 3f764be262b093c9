"""Brings a database's schema up to date: what `make migrate` and every start of the server run."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, create_engine

from common.settings import settings

_PROJECT = Path(__file__).resolve().parent.parent


def upgrade_schema(connection: Connection) -> None:
    """Apply every migration that this database has not had yet."""
    config = Config(toml_file=_PROJECT / "pyproject.toml")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def main() -> None:
    url = settings().sqlalchemy_url()
    print(f"Migrating {url.render_as_string(hide_password=True)} ...", flush=True)
    with create_engine(url, poolclass=NullPool).connect() as connection:
        upgrade_schema(connection)
    print("The schema is up to date.")


if __name__ == "__main__":
    main()

"""Runs the migrations against the database of the settings, or over a connection handed in."""

from alembic import context
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine

from common.database.grants import grant, withdraw
from common.settings import settings
from common.tables import Base


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=Base.metadata, compare_server_default=True
    )
    with context.begin_transaction():
        # Two deployments at once: the second waits here, then finds nothing left to do.
        connection.exec_driver_sql("select pg_advisory_xact_lock(hashtext('lead-billing schema'))")
        if _has_steps(connection):
            withdraw(connection)
        context.run_migrations()
        grant(connection, settings())


def _has_steps(connection: Connection) -> bool:
    """Whether this run changes the schema: what would be in its way goes then, not else."""
    try:
        destination = context.get_revision_argument()
    except KeyError:  # a command that only looks
        return False
    return destination != MigrationContext.configure(connection).get_current_revision()


handed_in = context.config.attributes.get("connection")
if handed_in is not None:
    migrate(handed_in)
else:
    with create_engine(settings().sqlalchemy_url()).connect() as connection:
        migrate(connection)

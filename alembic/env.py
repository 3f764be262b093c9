"""Runs the migrations against the database of the settings, or over a connection handed in."""

from alembic import context
from sqlalchemy import Connection, create_engine

from common.database.grants import grant
from common.settings import settings
from common.tables import Base


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_server_default=True,
        # Constraints, indexes and comments stand in sql/tables alone.
        autogenerate_plugins=[
            "alembic.autogenerate.*",
            "~alembic.autogenerate.constraints",
            "~alembic.autogenerate.comments",
        ],
    )
    with context.begin_transaction():
        # Two deployments at once: the second waits here, then finds nothing left to do.
        connection.exec_driver_sql("select pg_advisory_xact_lock(hashtext('lead-billing schema'))")
        context.run_migrations()
        grant(connection, settings())


handed_in = context.config.attributes.get("connection")
if handed_in is not None:
    migrate(handed_in)
else:
    with create_engine(settings().sqlalchemy_url()).connect() as connection:
        migrate(connection)

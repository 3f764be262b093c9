"""Where the database is, and how connections to it are made."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings
from sqlalchemy import URL, make_url

_RDS_ROOTS = str(Path(__file__).parents[1] / "database" / "rds_roots.pem")


class DatabaseSettings(BaseSettings):
    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL URL; stands in for the five parts below."
    )
    database_host: str = Field(default="localhost", description="PostgreSQL host.")
    database_port: int = Field(default=5432, description="PostgreSQL port.")
    database_name: str = Field(default="lead_billing", description="Database name.")
    database_user: str = Field(default="lead_billing", description="Database role.")
    database_password: SecretStr = Field(
        default=SecretStr(""), description="Password of the database role."
    )
    database_root_certificates: str = Field(
        default="",
        description="Whose certificates the database must show, for its own name: `rds` for the "
        "bundled roots of Amazon RDS, or a file of roots. Without it, nothing is checked.",
    )
    database_secret_arn: str | None = Field(
        default=None,
        description="Secrets Manager secret to read the role, its password and the user hash key "
        "from (its keys: `username`, `password`, `user_hash_key` and, if there is one, "
        "`google_key`), in place of the settings.",
    )
    database_pool_size: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Connections each process keeps open, and as many again under load. The "
        "local server gives its workers fewer if the database does not allow so many.",
    )
    database_connect_timeout_seconds: int = Field(
        default=5, ge=1, description="How long a new connection may take."
    )

    @property
    def max_connections(self) -> int:
        """The most connections of one engine: its pool, and as many again under load."""
        return 2 * self.database_pool_size

    def sqlalchemy_url(self) -> URL:
        """The database's address for SQLAlchemy with the psycopg2 driver."""
        if self.database_url is not None:
            return make_url(self.database_url.get_secret_value()).set(
                drivername="postgresql+psycopg2"
            )
        return URL.create(
            "postgresql+psycopg2",
            username=self.database_user,
            password=self.database_password.get_secret_value() or None,
            host=self.database_host,
            port=self.database_port,
            database=self.database_name,
        )

    def tls_arguments(self) -> dict[str, str]:
        """How libpq checks the database's certificate; empty where the settings name no roots."""
        roots = self.database_root_certificates
        if not roots:
            return {}
        return {"sslmode": "verify-full", "sslrootcert": _RDS_ROOTS if roots == "rds" else roots}

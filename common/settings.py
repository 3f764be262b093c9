"""The settings of every deployable, read from the environment here and nowhere else.

Invariant: a setting has one name, one type and one default, whichever process reads it.
"""

from enum import StrEnum
from functools import lru_cache

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url


class MissingUser(StrEnum):
    """Whom a lead without `user` is billed under (rules.md, "Who is who")."""

    PER_CUSTOMER = "per_customer"
    PER_LEAD = "per_lead"


class Settings(BaseSettings):
    """Each field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True)

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
    database_secret_arn: str | None = Field(
        default=None,
        description="Secrets Manager secret the function reads the role, its password and "
        "the user hash key from (keys `username`, `password`, `user_hash_key`).",
    )
    database_pool_size: int = Field(
        default=5, ge=1, le=100, description="Connections each process keeps open."
    )
    database_connect_timeout_seconds: int = Field(
        default=5, ge=1, description="How long a new connection may take."
    )
    user_hash_key: SecretStr = Field(
        default=SecretStr(""),
        description="Secret of at least 32 characters that turns a user into the key they are "
        "billed under. Must never change while its data lives.",
    )
    missing_user: MissingUser = Field(
        default=MissingUser.PER_CUSTOMER,
        description="Whom a lead without `user` is billed under: `per_customer` (one fallback "
        "user per customer) or `per_lead`.",
    )

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


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings, read once."""
    return Settings()

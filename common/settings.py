"""The settings of every deployable, read from the environment here and nowhere else.

Invariant: a setting has one name, one type and one default, whichever process reads it.
"""

import json
import os
from enum import StrEnum
from functools import lru_cache

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url

MIN_HASH_KEY_LENGTH = 32
# What AWS sets where a function or a task runs.
_DEPLOYED = ("AWS_LAMBDA_FUNCTION_NAME", "ECS_CONTAINER_METADATA_URI_V4")


class MissingUser(StrEnum):
    """Whom a lead without `user` is billed under (docs/billing-rules.md, Who is who)."""

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
        description="Secrets Manager secret to read the role, its password and the user hash key "
        "from (its keys: `username`, `password`, `user_hash_key`), in place of the settings.",
    )
    database_pool_size: int = Field(
        default=5, ge=1, le=100, description="Connections each process keeps open."
    )
    database_connect_timeout_seconds: int = Field(
        default=5, ge=1, description="How long a new connection may take."
    )
    customers_closed_at_once: int = Field(
        default=4,
        ge=1,
        le=100,
        description="Customers whose month a billing run closes at the same time, each on a "
        "connection of its own; no more than `DATABASE_POOL_SIZE`.",
    )
    queue_url: str | None = Field(
        default=None,
        description="SQS queue where the function puts valid leads while the database is away. "
        "Without one it answers 503. The service tells its length in its metrics.",
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
    open_access: bool = Field(
        default=False,
        description="Whether callers on this very machine (a loopback address) need no key. What "
        "is deployed refuses to start with it.",
    )
    key_cache_seconds: int = Field(
        default=30,
        ge=0,
        le=300,
        description="How long a process trusts a key it has looked up: a revoked one is refused "
        "after that time at the latest.",
    )
    rate_limit_per_second: int = Field(
        default=0,
        ge=0,
        description="Requests a second that each process lets one key make, twice as many at "
        "once; 0: as many as it likes.",
    )
    session_idle_minutes: int = Field(
        default=30, ge=1, le=720, description="How long the console stays signed in when unused."
    )
    function_password: SecretStr = Field(
        default=SecretStr(""),
        description="For migrations: the password to give the function's database role.",
    )
    service_password: SecretStr = Field(
        default=SecretStr(""),
        description="For migrations: the password to give the service's database role.",
    )
    cloudwatch_metrics: bool = Field(
        default=False,
        description="Whether the service writes its metrics to its log for CloudWatch, too.",
    )
    report_issuer: str = Field(
        default="Lead Billing Engine",
        min_length=1,
        max_length=200,
        description="Who bills, as reports name them. A final report keeps the issuer it was "
        "closed with.",
    )
    trace: bool = Field(
        default=False,
        description="Whether X-Ray traces are sent: by the functions where Lambda runs them, by "
        "the service to the daemon at `AWS_XRAY_DAEMON_ADDRESS`, 127.0.0.1:2000 unless set.",
    )

    @field_validator("user_hash_key")
    @classmethod
    def _is_a_secret(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key.get_secret_value()) < MIN_HASH_KEY_LENGTH:
            raise ValueError(f"needs at least {MIN_HASH_KEY_LENGTH} characters")
        return key

    @field_validator("open_access")
    @classmethod
    def _is_on_this_machine(cls, is_open: bool) -> bool:
        if is_open and any(name in os.environ for name in _DEPLOYED):
            raise ValueError("is for a developer's own machine, never for what is deployed")
        return is_open

    @property
    def user_secret(self) -> bytes:
        """The user hash key as HMAC takes it. Raises LookupError when there is none."""
        if not self.user_hash_key.get_secret_value():
            raise LookupError("USER_HASH_KEY is not set: no user could be told from another")
        return self.user_hash_key.get_secret_value().encode()

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


class SecretUnreadable(RuntimeError):
    """Secrets Manager did not give the secret that the settings name."""


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings, read once; from its secret too, where one is named.

    Raises SecretUnreadable.
    """
    current = Settings()
    if current.database_secret_arn is None:
        return current
    secret = _secret(current.database_secret_arn)
    return current.model_copy(
        update={
            "database_user": secret["username"],
            "database_password": SecretStr(secret["password"]),
            "user_hash_key": SecretStr(secret["user_hash_key"]),
        }
    )


def _secret(arn: str) -> dict[str, str]:
    # Half a second that only those with a secret have to wait.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    # Botocore's own patience, a minute for each try, is more than a request has.
    patience = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2})
    try:
        answer = boto3.client("secretsmanager", config=patience).get_secret_value(SecretId=arn)
    except (BotoCoreError, ClientError) as error:
        raise SecretUnreadable(f"the secret could not be read: {error}") from error
    secret: dict[str, str] = json.loads(answer["SecretString"])
    return secret

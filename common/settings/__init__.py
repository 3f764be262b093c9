"""The settings of every deployable, read from the environment here and nowhere else.

Invariant: a setting has one name, one type and one default, whichever process reads it.
"""

import os
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from common.number_pattern import require_pattern
from common.settings.database import DatabaseSettings
from common.settings.mail import MailSettings, MailTransport
from common.settings.secret import SecretUnreadable, read_secret

__all__ = ["MailTransport", "MissingUser", "SecretUnreadable", "Settings", "settings"]

MIN_HASH_KEY_LENGTH = 32
MIN_GOOGLE_KEY_LENGTH = 16
# What AWS sets where a function or a task runs.
_DEPLOYED = ("AWS_LAMBDA_FUNCTION_NAME", "ECS_CONTAINER_METADATA_URI_V4")


class MissingUser(StrEnum):
    """Whom a lead without `user` is billed under (docs/billing-rules.md, Who is who)."""

    PER_CUSTOMER = "per_customer"
    PER_LEAD = "per_lead"


class Settings(MailSettings, DatabaseSettings):
    """Each field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True)

    customers_closed_at_once: int = Field(
        default=4,
        ge=1,
        le=100,
        description="Customers whose month a billing run closes at the same time, each on a "
        "connection of its own; no more than `DATABASE_POOL_SIZE`.",
    )
    catch_up_seconds: float = Field(
        default=2,
        ge=0,
        le=3600,
        description="About how often each task of the service brings the standing totals of open "
        "months up to date. Reports are exact without it, and slower; 0: never.",
    )
    file_store_bucket: str | None = Field(
        default=None, description="S3 bucket of exported and uploaded files."
    )
    file_store_dir: Path | None = Field(
        default=None,
        description="Folder of exported and uploaded files, where there is no bucket; it must be "
        "the same for every process. `make run` sets it to a folder of `DATA_DIR`.",
    )
    background_work: bool = Field(
        default=False,
        description="Whether the service also does the work of the background worker, in threads "
        "of its own, for where no worker runs. `make run` sets it.",
    )
    worker_pause_seconds: float = Field(
        default=2,
        gt=0,
        le=60,
        description="About how long a step of the background worker waits when it found no work.",
    )
    inbox_dir: Path | None = Field(
        default=None,
        description="Folder whose files the background worker imports (docs/imports.md). "
        "`make run` sets it to `inbox` in `DATA_DIR`.",
    )
    signing_key_file: Path | None = Field(
        default=None,
        description="File with the Ed25519 key (PEM) that final reports and heads are signed "
        "with (docs/verification.md). `make run` makes one in `DATA_DIR`.",
    )
    signing_kms_key: str | None = Field(
        default=None,
        description="Key of KMS (ECC_NIST_EDWARDS25519) to sign with, in place of a file. Only "
        "the task that closes months needs it. Without either, reports are not signed.",
    )
    heads_dir: Path | None = Field(
        default=None,
        description="Folder that keeps signed heads and public keys besides the database. "
        "`make run` sets it to `heads` in `DATA_DIR`.",
    )
    heads_bucket: str | None = Field(
        default=None,
        description="S3 bucket with Object Lock that keeps them, in place of a folder.",
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
    google_key: SecretStr = Field(
        default=SecretStr(""),
        description="Secret of at least 16 characters that the webhooks of Google Ads send as "
        "their `google_key`, in place of an API key (docs/imports.md). Without it they need a key.",
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
    rate_limit_units_per_minute: int = Field(
        default=30_000,
        ge=0,
        description="Units of work that each process gives one key a minute, and at once "
        "(docs/api.md, Limits): a page costs one, a file 25; 0: as many as it likes.",
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
    report_issuer_address: str = Field(
        default="",
        max_length=500,
        description="Postal address of who bills, in lines. With it and "
        "`STATEMENT_NUMBER_PATTERN`, statements are titled Invoice.",
    )
    report_issuer_tax_id: str = Field(
        default="", max_length=64, description="Tax or VAT id of who bills."
    )
    statement_number_pattern: str = Field(
        default="",
        description="How statements are numbered, such as `{year}-{number:5}`; may also hold "
        "`{period}`, `{month}` and `{customer}`. `{period}-{customer}-{number}` unless set.",
    )
    webhook_function: str | None = Field(
        default=None,
        description="Lambda function that posts events to webhooks, for a network without a way "
        "out. Without one, the background worker posts them itself.",
    )
    webhooks_to_loopback: bool = Field(
        default=False,
        description="Whether webhooks may lead to this very machine (a loopback address), also "
        "over http. `make run` sets it if only this machine reaches the server. What is deployed "
        "refuses to start with it.",
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

    @field_validator("google_key")
    @classmethod
    def _is_no_guess(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key.get_secret_value()) < MIN_GOOGLE_KEY_LENGTH:
            raise ValueError(f"needs at least {MIN_GOOGLE_KEY_LENGTH} characters")
        return key

    @field_validator("statement_number_pattern")
    @classmethod
    def _numbers_are_told_apart(cls, pattern: str) -> str:
        return require_pattern(pattern) if pattern else pattern

    @field_validator("report_issuer_address", "report_issuer_tax_id")
    @classmethod
    def _is_trimmed(cls, text: str) -> str:
        return "\n".join(line.strip() for line in text.strip().splitlines())

    @field_validator("open_access", "webhooks_to_loopback")
    @classmethod
    def _is_on_this_machine(cls, is_open: bool) -> bool:
        if is_open and any(name in os.environ for name in _DEPLOYED):
            raise ValueError("is for a developer's own machine, never for what is deployed")
        return is_open

    @cached_property
    def user_secret(self) -> bytes:
        """The user hash key as HMAC takes it. Raises LookupError when there is none."""
        if not self.user_hash_key.get_secret_value():
            raise LookupError("USER_HASH_KEY is not set: no user could be told from another")
        return self.user_hash_key.get_secret_value().encode()


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings, read once; from its secret too, where one is named.

    Raises SecretUnreadable.
    """
    current = Settings()
    if current.database_secret_arn is None:
        return current
    secret = read_secret(current.database_secret_arn)
    return current.model_copy(
        update={
            "database_user": secret["username"],
            "database_password": SecretStr(secret["password"]),
            "user_hash_key": SecretStr(secret["user_hash_key"]),
            "google_key": SecretStr(secret.get("google_key", "")),
        }
    )

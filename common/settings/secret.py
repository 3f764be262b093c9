"""The secret of Secrets Manager that holds what nobody else may know."""

import json


class SecretUnreadable(RuntimeError):
    """Secrets Manager did not give the secret that the settings name."""


_last_secrets: dict[str, dict[str, str]] = {}


def read_secret(arn: str) -> dict[str, str]:
    """The secret; the last one known while Secrets Manager is away, so that leads can be queued."""
    # Half a second that only those with a secret have to wait.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    # Botocore's own patience, a minute for each try, is more than a request has.
    patience = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2})
    try:
        answer = boto3.client("secretsmanager", config=patience).get_secret_value(SecretId=arn)
    except (BotoCoreError, ClientError) as error:
        if arn in _last_secrets:
            return _last_secrets[arn]
        raise SecretUnreadable(f"the secret could not be read: {error}") from error
    _last_secrets[arn] = json.loads(answer["SecretString"])
    return _last_secrets[arn]

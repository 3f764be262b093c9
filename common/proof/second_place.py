"""Where signed heads and public keys are kept besides the database: a folder, or a bucket of S3.

Invariant: nothing is written twice. Whoever owns the database must have no right to change it
there: a bucket has Object Lock.
"""

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from common.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_HEADS, _KEYS = "heads", "keys"


class SecondPlace(Protocol):
    """Small JSON files by name."""

    def names(self, folder: str) -> list[str]:
        """The names of its files, in order."""

    def read(self, folder: str, name: str) -> bytes: ...

    def write_once(self, folder: str, name: str, content: bytes) -> bool:
        """Whether the file was written: False if there is one of this name."""


class Folder:
    """A folder whose files nobody needs to write again."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, folder: str) -> list[str]:
        return sorted(file.name for file in (self._root / folder).glob("*.json"))

    def read(self, folder: str, name: str) -> bytes:
        return (self._root / folder / name).read_bytes()

    def write_once(self, folder: str, name: str, content: bytes) -> bool:
        target = self._root / folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = target.with_suffix(f".{os.getpid()}.new")
        unfinished.write_bytes(content)
        unfinished.chmod(0o400)
        try:
            os.link(unfinished, target)  # unlike a rename, it replaces nothing
        except FileExistsError:
            return False
        finally:
            unfinished.unlink()
        return True


class Bucket:
    """A bucket with Object Lock; its default retention locks each object."""

    def __init__(self, name: str) -> None:
        self._name = name

    def names(self, folder: str) -> list[str]:
        pages = _client().get_paginator("list_objects_v2")
        return [
            found["Key"].removeprefix(f"{folder}/")
            for page in pages.paginate(Bucket=self._name, Prefix=f"{folder}/")
            for found in page.get("Contents", [])
        ]

    def read(self, folder: str, name: str) -> bytes:
        # The first version: a later one under the same name is not what was written first. S3 lists
        # the newest first, and knows no fractions of a second.
        key = f"{folder}/{name}"
        pages = _client().get_paginator("list_object_versions")
        versions = [
            version
            for page in pages.paginate(Bucket=self._name, Prefix=key)
            for version in page.get("Versions", [])
            if version["Key"] == key
        ]
        first = min(reversed(versions), key=lambda version: version["LastModified"])
        answer = _client().get_object(Bucket=self._name, Key=key, VersionId=first["VersionId"])
        return answer["Body"].read()

    def write_once(self, folder: str, name: str, content: bytes) -> bool:
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            _client().put_object(
                Bucket=self._name,
                Key=f"{folder}/{name}",
                Body=content,
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in {"PreconditionFailed", "412"}:
                return False
            raise
        return True


def second_place(settings: Settings) -> SecondPlace | None:
    """None where the settings name no place."""
    if settings.heads_bucket is not None:
        return Bucket(settings.heads_bucket)
    return None if settings.heads_dir is None else Folder(settings.heads_dir)


@lru_cache(maxsize=1)
def _client() -> "S3Client":
    import boto3  # noqa: PLC0415 - half a second, for deployments with a bucket only

    return boto3.client("s3")


def head_name(number: int) -> str:
    return f"{number:010d}.json"


def kept_heads(place: SecondPlace) -> Iterator[dict[str, Any]]:
    """The heads as they were kept, in order: each with `statement` and `signature`."""
    for name in place.names(_HEADS):
        yield json.loads(place.read(_HEADS, name))


def last_kept_head(place: SecondPlace) -> dict[str, Any] | None:
    names = place.names(_HEADS)
    return json.loads(place.read(_HEADS, names[-1])) if names else None


def keep_head(place: SecondPlace, number: int, statement: str, signature: str) -> bool:
    content = json.dumps({"head": number, "statement": statement, "signature": signature})
    return place.write_once(_HEADS, head_name(number), content.encode())


def keep_key(place: SecondPlace, jwk: dict[str, str]) -> bool:
    return place.write_once(_KEYS, f"{jwk['kid']}.json", json.dumps(jwk).encode())


def kept_keys(place: SecondPlace) -> list[dict[str, str]]:
    return [json.loads(place.read(_KEYS, name)) for name in place.names(_KEYS)]

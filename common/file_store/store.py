"""Where files are kept: a bucket of S3, or a folder on this machine.

Invariant: a file is there whole or not at all.
"""

import os
import shutil
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, NamedTuple, Protocol
from urllib.parse import quote

from common.problems import NotFound, Problem
from common.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ADDRESS_SECONDS = 300


class StoredFile(NamedTuple):
    """What a reader of a file is told of it. `is_gzipped`: its bytes are, and its name is not."""

    name: str
    media_type: str
    is_gzipped: bool

    @property
    def disposition(self) -> str:
        return f"attachment; filename*=UTF-8''{quote(self.name, safe='')}"


class FileStoreMissing(Problem):
    status = 503
    code = "no-file-store"
    title = "There is no place for files"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "60"}


class FileStore(Protocol):
    """Files by key."""

    def put(self, key: str, path: Path, file: StoredFile) -> None:
        """Keeps a copy of a local file."""

    def address(self, key: str, file: StoredFile) -> str | None:
        """A short-lived address that needs no key of ours; None: the service itself serves it."""

    def open(self, key: str) -> BinaryIO:
        """Raises NotFound."""

    def delete(self, key: str) -> None:
        """Deletes a file, if it is there."""


class Folder:
    """Files in a folder that only this account can read."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, path: Path, file: StoredFile) -> None:
        target = self._root / key
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = target.with_suffix(f".{os.getpid()}.new")
        shutil.copyfile(path, unfinished)
        unfinished.chmod(0o600)
        unfinished.replace(target)

    def address(self, key: str, file: StoredFile) -> str | None:
        return None

    def open(self, key: str) -> BinaryIO:
        try:
            return (self._root / key).open("rb")
        except FileNotFoundError:
            raise NotFound("the file is not there any more: export it again") from None

    def delete(self, key: str) -> None:
        (self._root / key).unlink(missing_ok=True)


class Bucket:
    """Files in a bucket, which encrypts them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def put(self, key: str, path: Path, file: StoredFile) -> None:
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - slow, and seldom needed

        described = {
            "ContentType": file.media_type,
            "ContentDisposition": file.disposition,
        }
        if file.is_gzipped:
            described["ContentEncoding"] = "gzip"
        _client().upload_file(
            str(path), self._name, key, described, Config=TransferConfig(max_concurrency=2)
        )

    def address(self, key: str, file: StoredFile) -> str | None:
        return _client().generate_presigned_url(
            "get_object", Params={"Bucket": self._name, "Key": key}, ExpiresIn=ADDRESS_SECONDS
        )

    def open(self, key: str) -> BinaryIO:
        raise NotFound("the file is in the bucket: ask the export for its address")

    def delete(self, key: str) -> None:
        _client().delete_object(Bucket=self._name, Key=key)


def file_store(settings: Settings) -> FileStore:
    """Raises FileStoreMissing where the settings name no place."""
    if settings.file_store_bucket is not None:
        return Bucket(settings.file_store_bucket)
    if settings.file_store_dir is not None:
        return Folder(settings.file_store_dir)
    raise FileStoreMissing("set FILE_STORE_BUCKET or FILE_STORE_DIR")


@lru_cache(maxsize=1)
def _client() -> "S3Client":
    import boto3  # noqa: PLC0415 - half a second, for deployments with a bucket only
    from botocore.config import Config  # noqa: PLC0415

    # Version 4 signs for the bucket's own region; a virtual host works with every endpoint.
    return boto3.client("s3", config=Config(signature_version="s3v4"))

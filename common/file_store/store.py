"""Where files are kept: a bucket of S3, or a folder on this machine.

Invariant: a file is there whole or not at all.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, ClassVar, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from common.problems import NotFound, Problem
from common.settings import Settings

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from mypy_boto3_s3 import S3Client

ADDRESS_SECONDS = 300
UPLOAD_SECONDS = 900
MAX_FILE_BYTES = 5 * 1024**3  # what S3 takes in one request
_PART = ".part"
_PARTS_ARE_LEFT_AFTER = 24 * 3600.0


class StoredFile(NamedTuple):
    """What a reader of a file is told of it. `is_gzipped`: its bytes are, and its name is not."""

    name: str
    media_type: str
    is_gzipped: bool

    @property
    def disposition(self) -> str:
        return f"attachment; filename*=UTF-8''{quote(self.name, safe='')}"


class UploadAddress(NamedTuple):
    """Where to PUT a file, and the headers that the request must have."""

    address: str
    headers: dict[str, str]


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

    def reading(self, key: str) -> AbstractContextManager[BinaryIO]:
        """The file on this machine, to be read more than once. Raises NotFound."""

    def upload_address(self, key: str, size: int) -> UploadAddress | None:
        """A short-lived address that takes one file of that size, once, and needs no key of ours.

        None: the service itself takes the file.
        """

    def upload_origin(self) -> str | None:
        """The site that such addresses lead to; None: this one."""

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

    @contextmanager
    def reading(self, key: str) -> Iterator[BinaryIO]:
        with self.open(key) as file:
            yield file

    def upload_address(self, key: str, size: int) -> UploadAddress | None:
        return None

    def upload_origin(self) -> str | None:
        return None

    @contextmanager
    def receiving(self, key: str) -> Iterator["Incoming"]:
        """A file that can be written to, and then be kept under the key."""
        target = self._root / key
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _drop_old_parts(target.parent)
        part = target.with_name(f"{target.name}.{token_hex(8)}{_PART}")
        try:
            with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                yield Incoming(file, part, target)
        finally:
            part.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        (self._root / key).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file that arrives at a folder."""

    file: BinaryIO
    part: Path
    target: Path

    def keep(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.part.replace(self.target)


def _drop_old_parts(folder: Path) -> None:
    """Deletes what killed processes left."""
    for part in folder.glob(f"*{_PART}"):
        if part.stat().st_mtime < time.time() - _PARTS_ARE_LEFT_AFTER:
            part.unlink(missing_ok=True)


class Bucket:
    """Files in a bucket, which encrypts them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def put(self, key: str, path: Path, file: StoredFile) -> None:
        described = {
            "ContentType": file.media_type,
            "ContentDisposition": file.disposition,
        }
        if file.is_gzipped:
            described["ContentEncoding"] = "gzip"
        _client().upload_file(str(path), self._name, key, described, Config=_few_at_once())

    def address(self, key: str, file: StoredFile) -> str | None:
        return self._address_of(key)

    def _address_of(self, key: str) -> str:
        return _client().generate_presigned_url(
            "get_object", Params={"Bucket": self._name, "Key": key}, ExpiresIn=ADDRESS_SECONDS
        )

    def open(self, key: str) -> BinaryIO:
        raise NotFound("the file is in the bucket: ask the export for its address")

    @contextmanager
    def reading(self, key: str) -> Iterator[BinaryIO]:
        from botocore.exceptions import ClientError  # noqa: PLC0415

        with TemporaryFile(prefix="lead-billing-") as copy:
            try:
                _client().download_fileobj(self._name, key, copy, Config=_few_at_once())
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey"}:
                    raise NotFound("the file is not in the bucket any more") from None
                raise
            yield copy

    def upload_address(self, key: str, size: int) -> UploadAddress | None:
        # S3 refuses another size, because the size is signed, and a second file under the key.
        signed = {"ContentLength": size, "IfNoneMatch": "*"}
        address = _client().generate_presigned_url(
            "put_object",
            Params={"Bucket": self._name, "Key": key, **signed},
            ExpiresIn=UPLOAD_SECONDS,
        )
        return UploadAddress(address, {"If-None-Match": "*"})

    def upload_origin(self) -> str | None:
        somewhere = urlsplit(self._address_of("uploads/any"))
        return f"{somewhere.scheme}://{somewhere.netloc}"

    def delete(self, key: str) -> None:
        _client().delete_object(Bucket=self._name, Key=key)


def file_store(settings: Settings) -> FileStore:
    """Raises FileStoreMissing where the settings name no place."""
    if settings.file_store_bucket is not None:
        return Bucket(settings.file_store_bucket)
    if settings.file_store_dir is not None:
        return Folder(settings.file_store_dir)
    raise FileStoreMissing("set FILE_STORE_BUCKET or FILE_STORE_DIR")


def _few_at_once() -> "TransferConfig":
    from boto3.s3.transfer import TransferConfig  # noqa: PLC0415 - slow, and seldom needed

    return TransferConfig(max_concurrency=2)


@lru_cache(maxsize=1)
def _client() -> "S3Client":
    import boto3  # noqa: PLC0415 - half a second, for deployments with a bucket only
    from botocore.config import Config  # noqa: PLC0415

    # Version 4 signs for the bucket's own region, and `virtual` names the region in the host: what
    # is sent elsewhere is redirected, which no signature survives.
    virtual = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return boto3.client("s3", config=virtual)

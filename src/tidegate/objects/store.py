"""One face over an object store: S3, or a folder on a laptop.

A put is seen whole or not at all. In a folder nothing is forced to the disk, so a power cut, unlike
the end of a process, can lose the last puts.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self

import obstore
from msgspec import Struct
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from tidegate.errors import (
    BackendUnavailableError,
    ObjectError,
    ObjectMissingError,
    TidegateError,
)
from tidegate.objects.address import ObjectsAddress

Source = bytes | bytearray | memoryview | Path | AsyncIterable[bytes]
"""What can be put: bytes in memory, a file, or a stream of chunks."""

_CONNECT_TIMEOUT: Final = timedelta(seconds=5)
_REQUEST_TIMEOUT: Final = timedelta(seconds=120)
_RETRY_TIMEOUT: Final = timedelta(seconds=20)
_RETRIES: Final = 5
_CHUNK: Final = 1024 * 1024
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class ObjectInfo(Struct, frozen=True, kw_only=True):
    """What is known of an object without reading it.

    Attributes:
        size: Bytes.
        etag: Changes with the content; None where the store has none.
    """

    key: str
    size: int
    modified_at: datetime
    etag: str | None = None


class Objects:
    """Objects under keys like `projects/7/main.py`, safe to share between tasks.

    Every method raises `BackendUnavailableError` where S3 does not answer (after five tries within
    20 s), and `ObjectError` where the store refuses: access denied, disk full, a malformed key.
    """

    def __init__(self, address: ObjectsAddress) -> None:
        self.address = address
        self._store = _opened(address)

    @classmethod
    def open(cls, url: str) -> Self:
        """The objects that `file:///folder` or `s3://bucket/prefix?endpoint=…&region=…` names.

        A folder is made if absent; S3 is not asked yet. Credentials come from where AWS tools take
        them: the environment, the task's role.

        Raises:
            SettingsError: The URL is of another shape.
            ObjectError: The folder cannot be made.
        """
        return cls(ObjectsAddress.parse(url))

    async def get(self, key: str) -> bytes:
        """The whole object.

        Raises:
            ObjectMissingError: There is none.
        """
        with self._translated(key):
            result = await obstore.get_async(self._store, key)
            return (await result.bytes_async()).to_bytes()

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """The object in chunks of about 1 MiB; raises as `get`."""
        with self._translated(key):
            result = await obstore.get_async(self._store, key)
            async for chunk in result.stream(min_chunk_size=_CHUNK):
                yield bytes(chunk)

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer at the object's end.

        Raises:
            ObjectMissingError: There is none.
            ObjectError: The object ends before `start`.
        """
        with self._translated(key):
            data = await obstore.get_range_async(self._store, key, start=start, length=length)
            return data.to_bytes()

    async def put(self, key: str, data: Source) -> None:
        """Store an object, replacing one that is there."""
        with self._translated(key):
            await obstore.put_async(self._store, key, data, mode="overwrite")

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store an object where there is none of this key; whether it was stored.

        Of any number of concurrent calls one is answered True. A call repeated because its answer
        was lost may be answered False although it was the one that stored.
        """
        with self._translated(key):
            try:
                await obstore.put_async(self._store, key, data, mode="create")
            except AlreadyExistsError:
                return False
            return True

    async def head(self, key: str) -> ObjectInfo | None:
        """What is known of an object; None where there is none."""
        try:
            with self._translated(key):
                return _info(await obstore.head_async(self._store, key))
        except ObjectMissingError:
            return None

    async def list(self, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """The objects below `prefix`, whole path segments of keys, in no particular order."""
        with self._translated(prefix or "all"):
            async for page in obstore.list(self._store, prefix or None):
                for meta in page:
                    yield _info(meta)

    async def delete(self, *keys: str) -> None:
        """Delete objects; those that are not there are passed over."""
        if self.address.folder is None:
            with self._translated(*keys):
                await obstore.delete_async(self._store, keys)
            return
        for key in keys:
            with suppress(ObjectMissingError), self._translated(key):
                await obstore.delete_async(self._store, key)

    async def presign(
        self, method: Literal["GET", "PUT"], key: str, *, seconds: float = 900.0
    ) -> str | None:
        """A URL with which anyone may get or put this object for a while; None for a folder."""
        if not isinstance(self._store, S3Store):
            return None
        with self._translated(key):
            return await obstore.sign_async(self._store, method, key, timedelta(seconds=seconds))

    @contextmanager
    def _translated(self, *keys: str) -> Iterator[None]:
        for key in keys:
            _check_key(key)
        try:
            yield
        except FileNotFoundError as error:
            raise ObjectMissingError(", ".join(keys)) from error
        except (BaseError, ValueError, OSError) as error:
            raise self._ours(error, ", ".join(keys)) from error

    def _ours(self, error: Exception, keys: str) -> TidegateError:
        reason = str(error).partition("\n")[0]
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return ObjectError(
                f"access to {keys!r} in {self.address} was denied ({reason}); "
                "grant it to this process's role"
            )
        if self.address.folder is None and isinstance(error, BaseError):
            return BackendUnavailableError(f"{self.address} did not answer for {keys!r}: {reason}")
        return ObjectError(f"cannot use object {keys!r} in {self.address}: {reason}")


def _opened(address: ObjectsAddress) -> LocalStore | S3Store:
    if address.folder is not None:
        try:
            return LocalStore(address.folder, mkdir=True, automatic_cleanup=True)
        except (BaseError, OSError) as error:
            raise ObjectError(f"cannot make folder {address.folder}: {error}") from error
    # Only what the URL says is passed: obstore reads the rest from AWS's environment variables.
    given: dict[str, Any] = {"prefix": address.prefix or None, "region": address.region}
    if address.endpoint is not None:
        given |= {"endpoint": address.endpoint, "virtual_hosted_style_request": False}
    return S3Store(
        address.bucket,
        **{name: value for name, value in given.items() if value is not None},
        client_options={
            "allow_http": (address.endpoint or "").startswith("http://"),
            "connect_timeout": _CONNECT_TIMEOUT,
            "timeout": _REQUEST_TIMEOUT,
        },
        retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_TIMEOUT},
    )


def _check_key(key: str) -> None:
    parts = key.split("/")
    if not all(parts) or not {".", ".."}.isdisjoint(parts) or _CONTROL.search(key):
        raise ObjectError(
            "expected an object key like 'a/b.txt', without empty, '.' or '..' parts and control "
            f"characters, found {key[:80]!r}"
        )


def _info(meta: Any) -> ObjectInfo:
    return ObjectInfo(
        key=meta["path"],
        size=meta["size"],
        modified_at=meta["last_modified"],
        etag=meta["e_tag"],
    )

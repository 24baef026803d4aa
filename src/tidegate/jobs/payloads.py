"""Payloads too large to travel with their job: in objects, with only a pointer in the job.

The object is written before the job is sent and never deleted by who reads it, so a job that is
delivered again finds it again; the bucket's lifecycle removes it. The pointer holds the SHA-256.
"""

import hashlib
from typing import Final, Protocol

import msgspec

from tidegate.errors import ObjectError
from tidegate.jobs.job import Claim, NewJob
from tidegate.serde import INLINE_BYTES

_MARK: Final = "#sha256="


class ObjectStore(Protocol):
    """What is needed of objects."""

    async def get(self, key: str) -> bytes:
        """The whole object."""
        ...

    async def put(self, key: str, data: bytes) -> None:
        """Store an object."""
        ...


async def stored(job: NewJob, objects: ObjectStore) -> NewJob:
    """The job as it is to travel: itself, or with its payload put into objects."""
    if len(job.payload) <= INLINE_BYTES:
        return job
    digest = hashlib.sha256(job.payload).hexdigest()
    key = f"payloads/{job.id}-{digest[:12]}"
    await objects.put(key, job.payload)
    return msgspec.structs.replace(job, payload=b"", payload_ref=f"{key}{_MARK}{digest}")


async def loaded(claim: Claim, objects: ObjectStore) -> bytes:
    """A claim's payload, fetched and checked where it travelled apart.

    Raises:
        ObjectError: It cannot be read, or is not the object that was sent.
    """
    if claim.payload_ref is None:
        return claim.payload
    key, mark, digest = claim.payload_ref.rpartition(_MARK)
    if not mark:
        raise ObjectError(f"expected a payload's pointer to hold its SHA-256, found {key!r}")
    payload = await objects.get(key)
    found = hashlib.sha256(payload).hexdigest()
    if found != digest:
        raise ObjectError(f"object {key!r}: expected SHA-256 {digest}, found {found}")
    return payload

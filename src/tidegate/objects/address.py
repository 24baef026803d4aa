"""Where objects are kept: the parsed form of a `TIDEGATE_OBJECTS_URL`."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from tidegate.errors import SettingsError

_KNOWN: Final = frozenset({"endpoint", "region"})


@dataclass(frozen=True, slots=True)
class ObjectsAddress:
    """A folder, or a bucket.

    Attributes:
        folder: The folder's path; None for S3.
        bucket: The bucket's name.
        prefix: What every key begins with in the bucket; empty for none.
        endpoint: An S3-compatible server instead of AWS.
        region: The bucket's region; from the environment where None.
    """

    folder: str | None = None
    bucket: str = ""
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None

    @classmethod
    def parse(cls, url: str) -> "ObjectsAddress":
        """What `file:///folder` or `s3://bucket/prefix?endpoint=…&region=…` names.

        Raises:
            SettingsError: The URL is of another shape.
        """
        parts = urlsplit(url)
        if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
            return cls(folder=unquote(parts.path))
        if parts.scheme != "s3" or not parts.netloc:
            raise SettingsError(
                "expected an objects URL like file:///var/lib/app or s3://bucket/prefix, "
                f"found {url[:80]!r}; set TIDEGATE_OBJECTS_URL"
            )
        options = parse_qs(parts.query)
        if unknown := sorted(options.keys() - _KNOWN):
            raise SettingsError(
                f"expected only endpoint and region after '?' in an objects URL, found {unknown}"
            )
        return cls(
            bucket=parts.netloc,
            prefix=unquote(parts.path).strip("/"),
            endpoint=options.get("endpoint", [None])[0],
            region=options.get("region", [None])[0],
        )

    def __str__(self) -> str:
        return self.folder or f"s3://{self.bucket}/{self.prefix}".rstrip("/")

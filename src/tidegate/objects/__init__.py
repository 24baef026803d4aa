"""Objects: whole files under a key, in S3 or in a folder."""

from tidegate.objects.store import ObjectInfo, Objects, Source

__all__ = ["ObjectInfo", "Objects", "Source"]

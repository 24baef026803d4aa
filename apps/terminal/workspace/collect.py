"""Removes what no commit needs any more, and nothing that anyone may still be reading."""

from apps.terminal.workspace.manifest import BLOBS, PACKS, Commits, Manifest
from tidegate.objects import Objects


async def collect(objects: Objects, folder: str, commits: Commits, keep: int, before: float) -> int:
    """Remove old commits, then contents that no commit left names; the number of objects.

    A content is stored just before the commit that needs it, so what is young is kept, whoever
    needs it. Two at once do no harm.

    Args:
        objects: Where the project is stored.
        folder: Its place there.
        commits: Its commits.
        keep: Newest commits to keep, however old.
        before: Only what was stored before this is removed; seconds since the epoch.
    """
    numbers = sorted(await commits.numbers(), reverse=True)
    kept: list[Manifest] = []
    for number in numbers:
        manifest = await commits.read_kept(number)
        if manifest and (len(kept) < keep or manifest.committed_at >= before):
            kept.append(manifest)
    forgotten = [number for number in numbers if number not in {each.commit for each in kept}]
    await commits.forget(forgotten)
    return len(forgotten) + await _remove_unneeded(objects, folder, kept, before)


async def _remove_unneeded(
    objects: Objects, folder: str, kept: list[Manifest], before: float
) -> int:
    needed = {entry.hash for manifest in kept for entry in manifest.tree.files.values()}
    needed |= {manifest.pack for manifest in kept if manifest.pack}
    old = [
        info.key
        for kind in (BLOBS, PACKS)
        async for info in objects.list(f"{folder}/{kind}")
        if info.modified_at.timestamp() < before and info.key.rpartition("/")[2] not in needed
    ]
    await objects.delete(*old)
    return len(old)

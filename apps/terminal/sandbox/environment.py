"""The environment a command starts with: a short list of names, never the worker's own.

Credentials, endpoints and settings of the worker live in its environment. A list of what to remove
would be one name short one day, so this is a list of what may pass.
"""

import os
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

PASSED = frozenset({
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "LANG",
    "LANGUAGE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
})  # fmt: skip
PASSED_PREFIXES = ("LC_",)
NEVER_PREFIXES = ("AWS_", "ECS_", "TIDEGATE_")
STANDARD_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
USER = "user"


def scrubbed(worker: Mapping[str, str], also: Collection[str] = ()) -> dict[str, str]:
    """What of the worker's environment a command may see.

    Args:
        worker: The worker's environment.
        also: More names that may pass, such as HTTPS_PROXY; never those of Tidegate or of AWS.
    """
    return {
        name: value
        for name, value in worker.items()
        if (name in PASSED or name.startswith(PASSED_PREFIXES) or name in also)
        and not name.startswith(NEVER_PREFIXES)
    }


def for_command(
    passed: Mapping[str, str], *, path: str, home: Path, scratch: Path, shell: str
) -> dict[str, str]:
    """The environment of a command whose home is `home`.

    Caches go to `scratch`: in the home, which is the project, they would be saved with it.
    """
    return {
        "LANG": "C.UTF-8",
        **passed,
        "COLORTERM": "truecolor",
        "HOME": str(home),
        "LOGNAME": USER,
        "PATH": path,
        "SHELL": shell,
        "TERM": "xterm-256color",
        "TMPDIR": str(scratch / "tmp"),
        "USER": USER,
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "npm_config_cache": str(scratch / "cache" / "npm"),
    }


def search_path(entries: Iterable[str], uid: int | None) -> str:
    """The PATH of a command: what of the worker's can be reached, and the standard folders.

    The virtual environment that Tidegate runs in is left out: its python is not the user's.
    """
    own = Path(sys.prefix) / "bin" if sys.prefix != sys.base_prefix else None
    kept = [
        entry
        for entry in dict.fromkeys((*entries, *STANDARD_PATH))
        if os.path.isabs(entry) and Path(entry) != own and reachable(Path(entry), uid)  # noqa: PTH117 - "" counts
    ]
    return ":".join(kept)


def reachable(path: Path, uid: int | None) -> bool:
    """Whether `path` is a folder that user `uid` (None: this process's own) may enter."""
    if not path.is_dir():
        return False
    if uid is None:
        return os.access(path, os.X_OK)
    resolved = path.resolve()
    return all(_may_enter(folder.stat(), uid) for folder in (resolved, *resolved.parents))


def _may_enter(stat: os.stat_result, uid: int) -> bool:
    return bool(stat.st_mode & (0o100 if stat.st_uid == uid else 0o001))

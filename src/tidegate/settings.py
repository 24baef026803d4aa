"""What a process is told by its environment and the `.env` file beside it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from tidegate.errors import SettingsError

DEFAULT_DATA: Final = ".tidegate"
PREFIX: Final = "TIDEGATE_"


class Settings(Struct, frozen=True, kw_only=True):
    """Where a process finds the others, and what it may sign with.

    Attributes:
        valkey_url: `TIDEGATE_VALKEY_URL`; empty where `up` is to start one of its own.
        objects_url: `TIDEGATE_OBJECTS_URL`: `file:///folder` or `s3://bucket/prefix`.
        secret_key: `TIDEGATE_SECRET_KEY`, at least 32 characters: signs tokens. While one replaces
            another, several separated by commas: the first signs, all verify. Never shown.
        admin_token: `TIDEGATE_ADMIN_TOKEN`: lets its bearer use the HTTP API. Never shown.
        data: `TIDEGATE_DATA`: the folder that `up` keeps everything in.
        public_url: `TIDEGATE_PUBLIC_URL`: where people reach the app.
        origins: `TIDEGATE_ORIGINS`: pages of other hosts that may connect to the gateway, as
            `https://host[:port]` separated by commas.
        spread: `TIDEGATE_SPREAD`: seconds over which a gateway that ends sends its clients away.
        task: `TIDEGATE_TASK`: the id of the task this process runs in.
        release: `TIDEGATE_RELEASE`.
    """

    valkey_url: str = ""
    objects_url: str = ""
    secret_key: str = field(default="")
    admin_token: str = field(default="")
    data: Path = Path(DEFAULT_DATA)
    public_url: str = ""
    origins: str = ""
    spread: float = 5.0
    task: str = ""
    release: str = "dev"

    def __repr__(self) -> str:
        return f"Settings(data={str(self.data)!r}, task={self.task!r}, release={self.release!r})"

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        *,
        data: Path | None = None,
    ) -> "Settings":
        """Settings from the environment, and below it from `.env` in `folder` (default: here).

        `data` wins over both, and takes the objects with it unless they are elsewhere.

        Raises:
            SettingsError: A line of `.env` is not `NAME=value`.
        """
        environ = os.environ if environ is None else environ
        merged = {**read_env_file((folder or Path.cwd()) / ".env"), **environ}
        data = (data or Path(merged.get("TIDEGATE_DATA", DEFAULT_DATA))).resolve()
        return cls(
            valkey_url=merged.get("TIDEGATE_VALKEY_URL", ""),
            objects_url=merged.get("TIDEGATE_OBJECTS_URL", "") or (data / "objects").as_uri(),
            secret_key=merged.get("TIDEGATE_SECRET_KEY", ""),
            admin_token=merged.get("TIDEGATE_ADMIN_TOKEN", ""),
            data=data,
            public_url=merged.get("TIDEGATE_PUBLIC_URL", ""),
            origins=merged.get("TIDEGATE_ORIGINS", ""),
            spread=_seconds(merged, "TIDEGATE_SPREAD", 5.0),
            task=merged.get("TIDEGATE_TASK", ""),
            release=merged.get("TIDEGATE_RELEASE", "dev"),
        )

    def environment(self) -> dict[str, str]:
        """The variables that hand these settings to a child process."""
        return {
            "TIDEGATE_VALKEY_URL": self.valkey_url,
            "TIDEGATE_OBJECTS_URL": self.objects_url,
            "TIDEGATE_SECRET_KEY": self.secret_key,
            "TIDEGATE_DATA": str(self.data),
            "TIDEGATE_PUBLIC_URL": self.public_url,
            "TIDEGATE_ORIGINS": self.origins,
            "TIDEGATE_SPREAD": f"{self.spread:g}",
            "TIDEGATE_RELEASE": self.release,
        }


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a `.env` file; none where there is no file.

    A line is `NAME=value`, with `export` before it if you like; quotes around a value are taken
    off; `#` starts a comment.

    Raises:
        SettingsError: A line is something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ").strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingsError(f"{path}:{number}: expected NAME=value, found {name.strip()!r}")
        variables[name.strip()] = _unquoted(value.strip())
    return variables


def _seconds(variables: Mapping[str, str], name: str, default: float) -> float:
    text = variables.get(name) or f"{default}"
    try:
        return max(float(text), 0.0)
    except ValueError as error:
        raise SettingsError(f"expected {name} in seconds, found {text!r}") from error


def _unquoted(value: str) -> str:
    for quote in "\"'":
        if len(value) > 1 and value[0] == value[-1] == quote:
            return value[1:-1]
    return value.partition(" #")[0].rstrip()

"""`tidegate token`: print a token for channels."""

from pathlib import Path

import click

from tidegate.cli.options import as_json, data, read_dotenv, seconds
from tidegate.cli.show import print_json
from tidegate.clock import SYSTEM, at
from tidegate.errors import TidegateError
from tidegate.gateway.auth import Cap, Keyring, Right
from tidegate.runtime.folder import DataFolder
from tidegate.settings import Settings

_READ: frozenset[Right] = frozenset({"subscribe", "history", "presence"})
_WRITE: frozenset[Right] = frozenset({"publish"})


@click.command("token")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    required=True,
    metavar="PATTERN",
    help="Channels it is for; * stands for one segment. Give it as often as needed.",
)
@click.option("--publish", is_flag=True, help="Allow publishing as well as reading.")
@click.option("--ttl", type=seconds, default="10m", show_default=True, help="How long it is good.")
@click.option("--sub", default="cli", show_default=True, help="The user it is for.")
@data
@as_json
def command(
    *, channels: tuple[str, ...], publish: bool, ttl: float, sub: str, data: Path, as_json: bool
) -> None:
    r"""Print a token with which a client reads (and with --publish writes) channels.

    \b
    Examples:
      tidegate token --channel 'job:*'
      tidegate token --channel 'terminal:p1:*' --publish --ttl 2h
      TOKEN=$(tidegate token --channel job:01M8)
      curl "localhost:8000/connection/sse?channel=job:01M8&token=$TOKEN"
    """
    read_dotenv()
    settings = Settings.load(data=data)
    allow = _READ | _WRITE if publish else _READ
    now = SYSTEM.now()
    token = Keyring.parse(_secret(settings)).issue(
        sub=sub, now=now, ttl=ttl, caps=[Cap(channels=channels, allow=allow)]
    )
    if as_json:
        expires = at(now + ttl).isoformat(timespec="seconds")
        print_json({"token": token, "channels": list(channels), "expires_at": expires})
    else:
        print(token)


def _secret(settings: Settings) -> str:
    if settings.secret_key:
        return settings.secret_key
    secret = DataFolder(settings.data).existing_key("secret_key")
    if secret is None:
        raise TidegateError(
            f"expected the key of an app in {settings.data}, found none; "
            "start it with `tidegate up`, or set TIDEGATE_SECRET_KEY"
        )
    return secret

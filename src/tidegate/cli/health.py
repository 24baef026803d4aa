"""`tidegate health`: whether the app is healthy; what a container's health check calls."""

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import click

from tidegate.cli.options import as_json, data
from tidegate.cli.show import print_json
from tidegate.cli.style import GREEN, styled
from tidegate.errors import TidegateError
from tidegate.runtime.folder import DataFolder


@click.command("health")
@click.option("--url", help="Where to ask; the running app by default.")
@click.option("--ready", is_flag=True, help="Ask whether it takes requests.")
@click.option("--timeout", default=3.0, show_default=True, help="Seconds to wait for an answer.")
@data
@as_json
def command(*, url: str | None, ready: bool, timeout: float, data: Path, as_json: bool) -> None:
    r"""Say whether the app is healthy; the exit status is 0 if it is, 1 if not.

    \b
    Examples:
      tidegate health
      tidegate health --url http://127.0.0.1:8000 --ready
      HEALTHCHECK CMD ["tidegate", "health", "--url", "http://127.0.0.1:8000"]
    """
    base = url or _running(data)
    path = "/readyz" if ready else "/healthz"
    status, body = _asked(base, path, timeout)
    if status != http.client.OK:
        raise TidegateError(f"expected {base}{path} to answer 200, found {status}: {body[:200]}")
    if as_json:
        print_json({"healthy": True, "url": base, "status": status})
    else:
        print(f"{base} is {styled('healthy', GREEN)}")


def _running(data: Path) -> str:
    running = DataFolder(data.resolve()).running()
    if running is None:
        raise TidegateError(
            f"expected a running app, found none in {data}; start it with `tidegate up`, "
            "or give --url"
        )
    return running.url


def _asked(base: str, path: str, timeout: float) -> tuple[int, str]:
    parts = urlsplit(base)
    is_tls = parts.scheme == "https"
    kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except OSError as error:
        raise TidegateError(f"expected an answer from {base}{path}, found: {error}") from error
    finally:
        connection.close()

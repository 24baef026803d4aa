"""What a service is told of the other end of the front door's socket. Pure.

A request may claim anything of where it comes from, so what it says is replaced.
"""

from typing import Final

Headers = list[tuple[bytes, bytes]]

_CLAIMS: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-proto"})


def forwarded(headers: Headers, client: tuple[str, int] | None, scheme: str) -> Headers:
    """Headers as they are passed on, with names in lower case (RFC 7239).

    Args:
        headers: As they came, names in lower case.
        client: Address and port of who is connected; None behind a unix socket.
        scheme: `http` or `https`.
    """
    kept = [(name, value) for name, value in headers if name not in _CLAIMS]
    kept.append((b"x-forwarded-proto", scheme.encode()))
    if client is not None:
        kept.append((b"x-forwarded-for", client[0].encode()))
        kept.append((b"forwarded", f'for="{_node(*client)}"'.encode()))
    return kept


def head_bytes(first_line: bytes, headers: Headers) -> bytes:
    """The head of a request, its empty line included."""
    lines = [first_line, *(b"%b: %b" % header for header in headers)]
    return b"\r\n".join([*lines, b"", b""])


def parsed_head(head: bytes) -> tuple[bytes, Headers]:
    """First line and headers of a request that a server has checked; names in lower case."""
    first_line, *lines = head.split(b"\r\n")
    fields = (line.partition(b":") for line in lines if line)
    return first_line, [(name.strip().lower(), value.strip()) for name, _, value in fields]


def _node(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

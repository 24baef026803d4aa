"""Who is at this machine, and who only runs on it."""

import os
import socket

import httpx
import pytest
from starlette.datastructures import Headers

from apps.terminal.api.same_machine import forwarded_peer, is_loopback, user_of
from apps.terminal.settings import TerminalSettings
from apps.terminal.tests.api.conftest import serving
from tidegate import Client


@pytest.mark.parametrize(
    ("host", "is_near"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("", True),
        ("192.0.2.7", False),
        ("::ffff:192.0.2.7", False),
        ("127.evil.example", False),
        ("unknown", False),
    ],
)
def test_this_machine_is_known_by_its_addresses(host: str, is_near: bool) -> None:  # noqa: FBT001
    assert is_loopback(host) is is_near


@pytest.mark.parametrize(
    ("header", "peer"),
    [
        ('for="127.0.0.1:80"', ("127.0.0.1", 80)),
        ('for="[::1]:80"', ("::1", 80)),
        ("for=127.0.0.1:80", ("127.0.0.1", 80)),
        ("for=unknown", None),
        ("", None),
    ],
)
def test_the_front_door_says_who_is_there(header: str, peer: tuple[str, int] | None) -> None:
    assert forwarded_peer(Headers({"forwarded": header})) == peer


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="needs Linux")  # noqa: PTH110
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_an_open_connection_belongs_to_its_user_and_a_closed_one_to_nobody(
    family: socket.AddressFamily,
) -> None:
    host = "127.0.0.1" if family is socket.AF_INET else "::1"
    with socket.create_server((host, 0), family=family) as listening:
        calling = socket.create_connection(listening.getsockname()[:2])
        accepted, peer = listening.accept()
        with accepted:
            assert user_of(peer[:2]) == os.geteuid()
            calling.close()
            assert user_of(peer[:2]) is None
        assert user_of((host, 1)) is None


async def test_another_machine_is_refused_however_it_comes(client: Client) -> None:
    async with serving(TerminalSettings()) as near:
        far = httpx.ASGITransport(near.app, client=("192.0.2.7", 1))
        cases = [
            (far, {}),
            (near, {"x-forwarded-for": "192.0.2.7"}),
            (near, {"x-forwarded-for": "127.0.0.1, 192.0.2.7"}),
            (near, {"forwarded": 'for="192.0.2.7:80"', "x-forwarded-for": "127.0.0.1"}),
        ]
        for transport, headers in cases:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as browser:
                answer = await browser.get("/api/projects", headers=headers)
                assert answer.status_code == 403
                assert answer.json()["error"]["code"] == "other_machine"

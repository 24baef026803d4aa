"""Another server than the embedded one: a Redis 7 that speaks TLS only and wants a password."""

import asyncio
import datetime as dt
import ipaddress
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.channel import Channels
from tidegate.channels.cursor import START
from tidegate.channels.message import Message
from tidegate.connections.address import Address
from tidegate.connections.valkey import BlockingValkey, Valkey
from tidegate.errors import BackendUnavailableError

PASSWORD = "a p@ss/word"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tidegate test")])
    now = dt.datetime.now(dt.UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "server.crt", folder / "server.key"
    certificate_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def redis_server() -> str:
    path = shutil.which("redis-server")
    if path is None:
        missing = "needs a redis-server built with TLS on PATH; .ci/run installs one"
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    return path


@pytest.fixture
async def tls_url(redis_server: str, tmp_path: Path) -> AsyncIterator[str]:
    """The server's URL, credentials and authority included."""
    port = free_port()
    certificate_file, key_file = certificate(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(redis_server, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1"),
        *("--tls-cert-file", str(certificate_file), "--tls-key-file", str(key_file)),
        *("--tls-ca-cert-file", str(certificate_file), "--tls-auth-clients", "no"),
        *("--requirepass", PASSWORD, "--save", "", "--dir", str(tmp_path)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await listening(port)
        secret = quote(PASSWORD, safe="")
        yield f"valkeys://:{secret}@127.0.0.1:{port}?ca={certificate_file}"
    finally:
        process.terminate()
        await process.wait()


async def listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.01)  # the server says nowhere that it listens


async def test_commands_and_functions_travel_encrypted(tls_url: str) -> None:
    async with await Valkey.open(tls_url, app="test") as valkey:
        assert await valkey.call("SET", "key", "x" * 100_000) == b"OK"
        assert await valkey.call("GET", "key") == b"x" * 100_000
        assert await valkey.fcall("hold", "", "leader", "me", 30) == 1


async def test_channels_work_on_it_live_and_from_the_log(tls_url: str) -> None:
    async with (
        await Valkey.open(tls_url, app="test") as valkey,
        ValkeyChannels(valkey) as backend,
        Channels(backend) as channels,
        channels.subscribe(["a"], START) as subscription,
        asyncio.timeout(10),
    ):
        await channels.publish("a", 1)
        items = [await anext(subscription)]
        await valkey.call("CLIENT", "KILL", "TYPE", "PUBSUB")
        await channels.publish("a", 2)
        items.append(await anext(subscription))
    assert [item.data for item in items if isinstance(item, Message)] == [b"1", b"2"]


async def test_a_thread_reaches_it_too(tls_url: str) -> None:
    blocking = BlockingValkey(Address.parse(tls_url), app="test", timeout=5, name="thread")
    try:
        assert await asyncio.to_thread(blocking.call, "PING") == b"PONG"
        assert await asyncio.to_thread(blocking.fcall, "hold", "", "leader", "me", 30) == 1
    finally:
        blocking.close()


async def test_a_wrong_password_is_what_the_error_says(tls_url: str) -> None:
    wrong = tls_url.replace(quote(PASSWORD, safe=""), "wrong")
    with pytest.raises(BackendUnavailableError, match="WRONGPASS") as refused:
        await Valkey.open(wrong, app="test", patience=0.2)
    assert "wrong@" not in str(refused.value)


async def test_a_certificate_nobody_vouches_for_is_refused(tls_url: str) -> None:
    unknown = tls_url.partition("?")[0]
    with pytest.raises(BackendUnavailableError, match="certificate verify failed"):
        await Valkey.open(unknown, app="test", patience=0.2)


async def test_a_plain_connection_to_it_is_refused(tls_url: str) -> None:
    plain = tls_url.replace("valkeys://", "valkey://")
    with pytest.raises(BackendUnavailableError):
        await Valkey.open(plain, app="test", patience=0.2)

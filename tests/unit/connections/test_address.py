"""Which Valkey URLs are understood."""

import pytest

from tidegate.connections.address import Address
from tidegate.errors import SettingsError


def test_a_unix_url_names_a_socket() -> None:
    assert Address.parse("unix:///run/v.sock").path == "/run/v.sock"


def test_a_tls_url_carries_credentials_and_authority() -> None:
    address = Address.parse("valkeys://me:p%40ss@cache.internal:6380?ca=/etc/ca.pem")

    assert (address.host, address.port, address.tls) == ("cache.internal", 6380, True)
    assert (address.username, address.password) == ("me", "p@ss")
    assert address.ca_file == "/etc/ca.pem"


@pytest.mark.parametrize("url", ["redis://h", "valkey://h"])
def test_both_names_of_the_protocol_mean_the_same(url: str) -> None:
    assert Address.parse(url) == Address(host="h")


@pytest.mark.parametrize("url", ["", "http://h", "valkey://", "valkey://h:notaport", "unix://"])
def test_another_shape_is_refused_with_examples(url: str) -> None:
    with pytest.raises(SettingsError, match="valkeys://user:password@host:6379"):
        Address.parse(url)


def test_a_password_never_shows() -> None:
    address = Address.parse("valkey://:hunter2@h")

    assert "hunter2" not in repr(address)
    assert "hunter2" not in str(address)


def test_a_refused_url_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as refused:
        Address.parse("ftp://:hunter2@h")

    assert "hunter2" not in str(refused.value)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.gateway.hosts import HostPolicy

LAPTOP = HostPolicy(is_loopback=True)
PUBLIC = HostPolicy(is_loopback=False, origins=["https://page.example"])


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_a_laptop_answers_to_names_of_loopback(host: str) -> None:
    assert LAPTOP.refusal(host, None) is None
    assert LAPTOP.refusal(host, f"http://{host}") is None


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil", "", None])
def test_a_laptop_refuses_any_other_name(host: str | None) -> None:
    assert "localhost" in (LAPTOP.refusal(host, None) or "")


def test_a_page_of_another_port_of_this_machine_is_another_page() -> None:
    assert LAPTOP.refusal("localhost:8000", "http://localhost:9000") is not None


def test_a_public_server_answers_to_any_name_but_only_to_its_own_pages() -> None:
    assert PUBLIC.refusal("app.example", None) is None
    assert PUBLIC.refusal("app.example", "https://app.example") is None
    assert PUBLIC.refusal("app.example:443", "https://app.example") is None
    assert PUBLIC.refusal("app.example", "https://evil.example") is not None
    assert PUBLIC.refusal("app.example", "null") is not None


def test_allowed_origins_may_connect_and_name_hosts() -> None:
    assert PUBLIC.refusal("app.example", "https://page.example/") is None
    tunnelled = HostPolicy(is_loopback=True, origins=["https://tunnel.example"])
    assert tunnelled.refusal("tunnel.example", "https://tunnel.example") is None


def test_a_star_lets_every_page_connect() -> None:
    anyone = HostPolicy(is_loopback=False, origins=["*"])
    assert anyone.refusal("app.example", "https://evil.example") is None


@given(st.text(), st.text())
def test_any_headers_get_an_answer(host: str, origin: str) -> None:
    for policy in (LAPTOP, PUBLIC):
        refusal = policy.refusal(host, origin)
        assert refusal is None or refusal.startswith("expected")

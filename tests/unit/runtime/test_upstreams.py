import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import SettingsError
from tidegate.runtime.forwarding import forwarded, head_bytes, parsed_head
from tidegate.runtime.upstreams import Upstreams
from tidegate.spec import ServiceSpec

SPECS = [
    ServiceSpec(name="web", asgi="a:b"),
    ServiceSpec(name="api", asgi="a:b", paths=("/api", "/hooks/")),
    ServiceSpec(name="deep", asgi="a:b", paths=("/api/v2",)),
]
TOLD = {"web": "/run/web.sock", "api": "http://127.0.0.1:9000", "deep": "http://[::1]"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "web"),
        ("/apiary", "web"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/v1", "api"),
        ("/api/v2", "deep"),
        ("/api/v2/x", "deep"),
        ("/api/v20", "api"),
        ("/hooks", "api"),
        ("/hooks/x", "api"),
    ],
)
def test_the_longest_prefix_of_whole_segments_has_a_path(path: str, name: str) -> None:
    found = Upstreams.declared(SPECS, TOLD).find(path)
    assert found is not None
    assert found.name == name


def test_a_service_of_which_nothing_is_told_has_no_path() -> None:
    upstreams = Upstreams.declared(SPECS, {"api": TOLD["api"]})
    assert upstreams.find("/") is None
    assert upstreams.find("/api") is not None


def test_an_address_is_a_socket_or_a_host_and_port() -> None:
    upstreams = Upstreams.declared(SPECS, TOLD)
    web, api, deep = upstreams.find("/"), upstreams.find("/api"), upstreams.find("/api/v2")
    assert web is not None
    assert web.path == "/run/web.sock"
    assert api is not None
    assert (api.host, api.port) == ("127.0.0.1", 9000)
    assert deep is not None
    assert (deep.host, deep.port) == ("::1", 80)
    with pytest.raises(SettingsError, match="http://host:port"):
        Upstreams.declared(SPECS, {"web": "ftp://x"})


TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1).map(str.encode)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126)).map(str.encode)


@given(st.lists(st.tuples(TOKEN, VALUE)))
def test_a_head_is_read_as_it_was_written(headers: list[tuple[bytes, bytes]]) -> None:
    line = b"GET /x HTTP/1.1"
    assert parsed_head(head_bytes(line, headers)) == (line, headers)


def test_what_a_request_claims_of_its_origin_is_replaced() -> None:
    claims = [(b"host", b"x"), (b"forwarded", b"for=me"), (b"x-forwarded-for", b"me")]
    assert forwarded(claims, ("::1", 7), "http") == [
        (b"host", b"x"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-for", b"::1"),
        (b"forwarded", b'for="[::1]:7"'),
    ]
    assert forwarded(claims, None, "https") == [(b"host", b"x"), (b"x-forwarded-proto", b"https")]

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.channels.event import Event
from tidegate.gateway.protocol import INSUFFICIENT_STATE as STATE_LOST
from tidegate.gateway.protocol import (
    INTERNAL,
    Command,
    ConnectResult,
    Empty,
    ProtocolError,
    Reply,
    decoded,
    encoded,
    publications_push,
    request_of,
    unsubscribe_push,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_a_frame_holds_a_command_on_each_line() -> None:
    first, second, pong = decoded(b'{"id":1,"connect":{"token":"t"}}\n{"id":2,"ping":{}}\n{}')
    assert request_of(first) == ("connect", first.connect)
    assert request_of(second) == ("ping", Empty())
    assert request_of(pong) is None


def test_fields_of_newer_clients_are_passed_over() -> None:
    (command,) = decoded('{"id":1,"subscribe":{"channel":"a","delta":"fossil","tf":{"op":"and"}}}')
    assert command.subscribe is not None
    assert command.subscribe.channel == "a"


@given(st.binary())
def test_any_bytes_are_commands_or_refused_as_none(frame: bytes) -> None:
    with suppress(ProtocolError):
        assert all(isinstance(command, Command) for command in decoded(frame))


def test_a_reply_says_only_what_is_set() -> None:
    reply = Reply(id=3, connect=ConnectResult(client="c", ping=25, pong=True))
    assert json.loads(encoded(reply)) == {
        "id": 3,
        "connect": {"client": "c", "ping": 25, "pong": True},
    }
    assert json.loads(encoded(Reply(id=4, unsubscribe=Empty()))) == {"id": 4, "unsubscribe": {}}
    assert json.loads(encoded(Reply(id=5, error=INTERNAL)))["error"]["temporary"]


@given(st.lists(JSON, min_size=1), st.sampled_from([None, 2]))
def test_a_push_holds_the_events_a_line_each_whatever_is_in_them(
    values: list[Any], indent: int | None
) -> None:
    events = [
        Event(offset, json.dumps(value, indent=indent).encode())
        for offset, value in enumerate(values, 1)
    ]
    lines = publications_push("a:b", events).split(b"\n")
    assert [json.loads(line) for line in lines] == [
        {"push": {"channel": "a:b", "pub": {"data": value, "offset": offset}}}
        for offset, value in enumerate(values, 1)
    ]


def test_an_unsubscribe_push_says_why() -> None:
    assert json.loads(unsubscribe_push("a", STATE_LOST)) == {
        "push": {
            "channel": "a",
            "unsubscribe": {"code": 2500, "reason": "insufficient state"},
        }
    }


@pytest.mark.parametrize("line", ['{"id":-1', '{"id":1,"rpc":[]}', "null", '"text"', "1"])
def test_a_line_that_is_no_command_is_refused(line: str) -> None:
    with pytest.raises(ProtocolError, match="expected a command as JSON"):
        decoded(line)

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import ChannelError, ForbiddenError, SettingsError, TokenError
from tidegate.gateway.auth import (
    ADMIN,
    NOBODY,
    Cap,
    Claims,
    Keyring,
    TokenExpiredError,
    bearer,
)

OLD, NEW = "o" * 32, "n" * 32
NOW = 1_000_000.0
CAP = Cap(channels=("terminal:p1:*",), allow=frozenset({"subscribe", "history"}))


def issued(keyring: Keyring, **options: Any) -> str:
    return keyring.issue(**{"sub": "ann", "now": NOW, "ttl": 60.0, "caps": [CAP], **options})


def test_a_token_says_who_and_what_until_it_ends() -> None:
    keyring = Keyring([NEW])
    claims = keyring.verify(issued(keyring), now=NOW + 59)
    assert claims == Claims(sub="ann", exp=NOW + 60, caps=(CAP,))
    with pytest.raises(TokenExpiredError):
        keyring.verify(issued(keyring), now=NOW + 60)


def test_a_token_without_a_ttl_never_ends() -> None:
    keyring = Keyring([NEW])
    assert keyring.verify(issued(keyring, ttl=None), now=NOW * 1000).exp is None


def test_keys_are_rotated_by_signing_with_the_first_and_believing_all() -> None:
    before = Keyring.parse(OLD)
    during = Keyring.parse(f"{NEW}, {OLD}")
    after = Keyring.parse(NEW)
    assert during.verify(issued(before), now=NOW).sub == "ann"
    assert after.verify(issued(during), now=NOW).sub == "ann"
    with pytest.raises(TokenError):
        after.verify(issued(before), now=NOW)


@given(st.text())
def test_any_text_that_we_did_not_sign_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        Keyring([NEW]).verify(text, now=NOW)


@given(st.data())
def test_a_token_changed_anywhere_is_refused(data: st.DataObject) -> None:
    keyring = Keyring([NEW])
    token = issued(keyring)
    parts = token.split(".")
    which = data.draw(st.integers(0, 2))
    raw = bytearray(base64.urlsafe_b64decode(parts[which] + "=="))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    parts[which] = base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
    with pytest.raises(TokenError):
        keyring.verify(".".join(parts), now=NOW)


def test_an_unsigned_token_is_refused() -> None:
    keyring = Keyring([NEW])
    _, claims, _ = issued(keyring).split(".")
    kid = json.loads(base64.urlsafe_b64decode(issued(keyring).split(".")[0] + "=="))["kid"]
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": kid}).encode()).decode()
    with pytest.raises(TokenError):
        keyring.verify(f"{head.rstrip('=')}.{claims}.", now=NOW)


def test_a_signed_token_of_another_shape_is_refused() -> None:
    keyring = Keyring([NEW])
    kid = jwt.get_unverified_header(issued(keyring))["kid"]
    for claims in ({"sub": 3}, {"sub": "a", "caps": [{"allow": ["fly"]}]}, {"exp": "soon"}):
        token = jwt.encode(claims, NEW, headers={"kid": kid})
        with pytest.raises(TokenError):
            keyring.verify(token, now=NOW)


def test_short_or_missing_secrets_are_refused_where_they_are_set() -> None:
    with pytest.raises(SettingsError, match="at least 32"):
        Keyring.parse("secret")
    with pytest.raises(SettingsError, match="TIDEGATE_SECRET_KEY"):
        Keyring.parse("")


def test_a_pattern_that_is_none_is_refused_before_it_is_signed() -> None:
    with pytest.raises(ChannelError):
        issued(Keyring([NEW]), caps=[Cap(channels=("a::b",), allow=frozenset({"subscribe"}))])


def test_a_star_stands_for_one_segment() -> None:
    claims = Claims(caps=(CAP,))
    assert claims.grants("subscribe", "terminal:p1:t9")
    assert not claims.grants("subscribe", "terminal:p1")
    assert not claims.grants("subscribe", "terminal:p1:t9:x")
    assert not claims.grants("subscribe", "terminal:p2:t9")
    assert not claims.grants("publish", "terminal:p1:t9")


def test_an_exact_match_takes_a_star_for_nothing_special() -> None:
    claims = Claims(caps=(Cap(channels=("a:*",), match="exact", allow=frozenset({"subscribe"})),))
    assert not claims.grants("subscribe", "a:b")


def test_rights_of_different_caps_are_not_mixed() -> None:
    reading = Cap(channels=("a:*",), allow=frozenset({"subscribe"}))
    writing = Cap(channels=("b:*",), allow=frozenset({"publish"}))
    claims = Claims(caps=(reading, writing))
    assert not claims.grants("publish", "a:x")
    assert not claims.grants("subscribe", "b:x")


def test_enqueueing_is_granted_by_queue() -> None:
    claims = Claims(caps=(Cap(queues=("mail",), allow=frozenset({"enqueue"})),))
    assert claims.grants_enqueue("mail")
    assert not claims.grants_enqueue("video")
    assert not claims.grants("subscribe", "mail")


def test_an_admin_may_everything_and_nobody_nothing() -> None:
    assert ADMIN.is_admin
    assert ADMIN.grants("publish", "any:channel")
    assert ADMIN.grants_enqueue("any")
    assert not NOBODY.grants("subscribe", "a")
    with pytest.raises(ForbiddenError, match="allows 'subscribe' on channel 'a'"):
        NOBODY.require("subscribe", "a")


def test_a_bearer_is_read_from_its_header() -> None:
    assert bearer("Bearer abc") == "abc"
    assert bearer("bearer  abc ") == "abc"
    assert bearer("Basic abc") == ""
    assert bearer(None) == ""

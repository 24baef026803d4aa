"""The token with which an outside program reports for an attempt."""

import jwt
import pytest

from tidegate.errors import SettingsError, TokenError
from tidegate.jobs.attempt_token import AttemptToken, sign, verify

KEY = "k" * 32
OLD_KEY = "o" * 32
TOKEN = AttemptToken("job", 3, "queue", exp=1000)


def test_it_says_what_was_signed() -> None:
    assert verify(sign(TOKEN, KEY), KEY, now=999.0) == TOKEN


def test_it_outlives_a_new_key_that_is_put_before_the_old() -> None:
    assert verify(sign(TOKEN, OLD_KEY), f"{KEY},{OLD_KEY}", now=0) == TOKEN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a token",
        sign(TOKEN, OLD_KEY),
        jwt.encode({"job": "job", "fence": 3, "queue": "q", "exp": 1000}, KEY),
        jwt.encode({"aud": "tidegate:attempt", "exp": 1000}, KEY),
        jwt.encode({"aud": "tidegate:attempt"}, None, algorithm="none"),
    ],
)
def test_what_was_not_signed_as_such_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        verify(text, KEY, now=0)


def test_it_ends_with_its_time() -> None:
    with pytest.raises(TokenError, match="expired"):
        verify(sign(TOKEN, KEY), KEY, now=1000.0)


def test_without_a_key_none_is_issued() -> None:
    with pytest.raises(SettingsError, match="TIDEGATE_SECRET_KEY"):
        sign(TOKEN, "")

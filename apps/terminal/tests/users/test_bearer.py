"""Tokens that an issuer signed are believed; anything else is not."""

import time
from collections.abc import AsyncIterator

import jwt
import pytest
from starlette.requests import Request

from apps.terminal.errors import SignInError
from apps.terminal.settings import TerminalSettings
from apps.terminal.tests.issuer import TestIssuer
from apps.terminal.users.modes import authenticator
from apps.terminal.users.user import Authenticator, user_id
from tidegate.errors import BackendUnavailableError

AUDIENCE = "terminal"


@pytest.fixture
async def mode(issuer: TestIssuer) -> AsyncIterator[Authenticator]:
    settings = TerminalSettings(auth="jwt", issuer=issuer.url, audience=AUDIENCE)
    opened = authenticator(settings, secret="s" * 32, public_url="")
    yield opened
    await opened.close()


def asking(token: str) -> Request:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return Request({"type": "http", "headers": headers})


async def test_a_token_of_the_issuer_says_who_is_asking(
    issuer: TestIssuer, mode: Authenticator
) -> None:
    user = await mode.user(asking(issuer.token(AUDIENCE)))
    assert user.name == "Ada"
    assert user.id == user_id(issuer.url, "ada")
    assert user.id.isalnum()


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-app"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1_000_000},
        {"exp": None},
        {"sub": None},
        {"nbf": 32_503_680_000},
    ],
)
async def test_a_token_that_says_something_else_is_refused(
    issuer: TestIssuer, mode: Authenticator, changes: dict[str, object]
) -> None:
    with pytest.raises(SignInError):
        await mode.user(asking(issuer.token(AUDIENCE, **changes)))


async def test_a_clock_that_runs_a_little_late_is_forgiven(
    issuer: TestIssuer, mode: Authenticator
) -> None:
    just_expired = issuer.token(AUDIENCE, exp=int(time.time()) - 20)
    assert (await mode.user(asking(just_expired))).name == "Ada"


async def test_a_token_of_another_key_is_refused_even_under_the_issuers_name(
    issuer: TestIssuer, mode: Authenticator
) -> None:
    genuine = issuer.token(AUDIENCE)
    await mode.user(asking(genuine))
    forger = TestIssuer(1)
    forger.url = issuer.url
    forger.rotate(issuer.current, holder="forger")
    with pytest.raises(SignInError):
        await mode.user(asking(forger.token(AUDIENCE)))


async def test_a_public_key_does_not_pass_for_a_shared_secret(
    issuer: TestIssuer, mode: Authenticator
) -> None:
    claims = jwt.decode(issuer.token(AUDIENCE), options={"verify_signature": False})
    for key, algorithm in (("x" * 32, "HS256"), (None, "none")):
        forged = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": issuer.current})  # type: ignore[arg-type]
        with pytest.raises(SignInError):
            await mode.user(asking(forged))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 10])
async def test_what_is_no_token_is_refused(mode: Authenticator, token: str) -> None:
    request = Request(
        {"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode("latin-1"))]}
    )
    with pytest.raises(SignInError):
        await mode.user(request)


async def test_keys_are_fetched_once_and_again_when_the_issuer_rotates_them(
    issuer: TestIssuer,
) -> None:
    settings = TerminalSettings(auth="jwt", issuer=issuer.url, audience=AUDIENCE)
    mode = authenticator(settings, secret="s" * 32, public_url="")
    for _ in range(3):
        await mode.user(asking(issuer.token(AUDIENCE)))
    assert issuer.key_requests == 1
    issuer.rotate("key-2")
    # A new name is asked about only some time after the last fetch, so that made-up names are no
    # way to have the issuer flooded.
    with pytest.raises(SignInError):
        await mode.user(asking(issuer.token(AUDIENCE)))
    assert issuer.key_requests == 1
    mode._verifier._issuer._fetched_at -= 11  # type: ignore[attr-defined]
    await mode.user(asking(issuer.token(AUDIENCE)))
    assert issuer.key_requests == 2
    await mode.close()


async def test_an_issuer_that_does_not_answer_is_not_taken_for_a_wrong_token() -> None:
    settings = TerminalSettings(auth="jwt", issuer="http://127.0.0.1:9", audience=AUDIENCE)
    mode = authenticator(settings, secret="s" * 32, public_url="")
    with pytest.raises(BackendUnavailableError):
        await mode.user(asking(TestIssuer(9).token(AUDIENCE)))
    await mode.close()

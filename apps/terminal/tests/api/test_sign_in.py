"""Signing in at an OpenID Connect issuer, as a browser does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from apps.terminal.settings import TerminalSettings
from apps.terminal.tests.api.conftest import serving
from apps.terminal.tests.issuer import TestIssuer
from apps.terminal.users.oidc import SESSION
from tidegate import Client

HERE = "https://terminal.example"


@asynccontextmanager
async def browsing(issuer: TestIssuer) -> AsyncIterator[httpx.AsyncClient]:
    settings = TerminalSettings(auth="oidc", issuer=issuer.url, oidc_client_id="terminal")
    async with (
        serving(settings) as transport,
        httpx.AsyncClient(transport=transport, base_url=HERE) as browser,
    ):
        yield browser


@pytest.fixture
async def browser(client: Client, issuer: TestIssuer) -> AsyncIterator[httpx.AsyncClient]:
    async with browsing(issuer) as opened:
        yield opened


async def at_the_issuer(address: str) -> str:
    """Where the issuer sends a browser back to."""
    async with httpx.AsyncClient() as outside:
        return (await outside.get(address)).headers["location"]


async def test_a_person_signs_in_and_out(browser: httpx.AsyncClient) -> None:
    refused = await browser.get("/api/projects")
    assert refused.status_code == 401
    assert refused.json()["error"]["detail"] == {"login": "/auth/login"}
    login = await browser.get("/auth/login", params={"next": "/p/abc"})
    back = await at_the_issuer(login.headers["location"])
    assert back.startswith(f"{HERE}/auth/callback?")
    arrived = await browser.get(back)
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/p/abc")
    cookie = next(c for c in arrived.headers.get_list("set-cookie") if c.startswith(SESSION))
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert attribute in cookie
    session = (await browser.get("/api/session")).json()
    assert (session["user"]["name"], session["mode"]) == ("Ada", "oidc")
    own = {"origin": HERE}
    assert (await browser.post("/auth/logout", headers=own)).status_code == 204
    assert (await browser.get("/api/projects")).status_code == 401


async def test_the_issuer_is_asked_with_pkce_state_and_nonce(browser: httpx.AsyncClient) -> None:
    first, second = [(await browser.get("/auth/login")).headers["location"] for _ in range(2)]
    asked, again = parse_qs(urlsplit(first).query), parse_qs(urlsplit(second).query)
    assert asked["code_challenge_method"] == ["S256"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name][0]) >= 43
        assert asked[name] != again[name]


async def test_a_sign_in_begun_elsewhere_is_refused(
    browser: httpx.AsyncClient, issuer: TestIssuer
) -> None:
    async with browsing(issuer) as attacker:
        login = await attacker.get("/auth/login")
        back = await at_the_issuer(login.headers["location"])
    assert (await browser.get(back)).status_code == 400
    await browser.get("/auth/login")
    assert (await browser.get(back)).status_code == 400
    assert (await browser.get("/api/projects")).status_code == 401


async def test_a_code_works_once_and_an_answer_with_another_nonce_not_at_all(
    browser: httpx.AsyncClient, issuer: TestIssuer
) -> None:
    login = await browser.get("/auth/login")
    back = await at_the_issuer(login.headers["location"])
    for asked in issuer.codes.values():
        asked["nonce"] = "another"
    assert (await browser.get(back)).status_code == 401
    assert (await browser.get(back)).status_code == 401
    assert (await browser.get("/api/projects")).status_code == 401


async def test_a_refusal_of_the_issuer_is_passed_on(browser: httpx.AsyncClient) -> None:
    login = await browser.get("/auth/login")
    state = parse_qs(urlsplit(login.headers["location"]).query)["state"][0]
    answer = await browser.get("/auth/callback", params={"error": "access_denied", "state": state})
    assert answer.status_code == 401
    assert "access_denied" in answer.json()["error"]["message"]


@pytest.mark.parametrize("where", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
async def test_signing_in_never_leads_to_another_site(
    browser: httpx.AsyncClient, where: str
) -> None:
    login = await browser.get("/auth/login", params={"next": where})
    arrived = await browser.get(await at_the_issuer(login.headers["location"]))
    assert arrived.headers["location"] == "/"


async def test_a_forged_session_is_nobodys(browser: httpx.AsyncClient) -> None:
    for forged in ("x", "e30.e30.e30", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvd25lciJ9."):
        browser.cookies.set(SESSION, forged, domain="terminal.example")
        assert (await browser.get("/api/projects")).status_code == 401


async def test_another_site_cannot_use_a_session(browser: httpx.AsyncClient) -> None:
    login = await browser.get("/auth/login")
    await browser.get(await at_the_issuer(login.headers["location"]))
    other = {"origin": "https://evil.example"}
    refused = await browser.post("/api/projects", json={"name": "x"}, headers=other)
    assert refused.status_code == 403
    own = {"origin": HERE}
    made = await browser.post("/api/projects", json={"name": "x"}, headers=own)
    assert made.status_code == 201

"""Sign-in at an OpenID Connect issuer: authorization code with PKCE, state and nonce.

The session is a signed cookie; nothing is kept on the server. The cookies are `__Host-` ones: a
browser takes them only over TLS (or from localhost) and sends them to this host alone.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import httpx
import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from apps.terminal.errors import RefusedError, SignInError
from apps.terminal.users.keys import Issuer
from apps.terminal.users.seal import Seal
from apps.terminal.users.tokens import TokenVerifier
from apps.terminal.users.user import User, user_of_claims

SESSION: Final = "__Host-terminal-session"
ATTEMPT: Final = "__Host-terminal-sign-in"
# How long a person may take at the issuer.
ATTEMPT_TTL: Final = 600.0
LOGIN: Final = "/auth/login"


class Tokens(Struct):
    """What the issuer gives for a code, as far as it is used."""

    id_token: str


class OidcMode:
    """People who sign in here.

    Args:
        issuer: Where they prove who they are.
        verifier: Believes what the issuer says.
        client_id: What the issuer knows this app as.
        client_secret: Its secret; empty for a public client.
        scopes: What to ask for.
        secret: The app's secret, which cookies are signed with.
        session: Seconds that a sign-in lasts.
        public_url: Where browsers reach the app; empty to go by the request.
        http: Asks the issuer.
    """

    mode = "oidc"

    def __init__(
        self,
        issuer: Issuer,
        verifier: TokenVerifier,
        *,
        client_id: str,
        client_secret: str,
        scopes: str,
        secret: str,
        session: float,
        public_url: str,
        http: httpx.AsyncClient,
    ) -> None:
        self._issuer = issuer
        self._verifier = verifier
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._sessions = Seal(secret, "session")
        self._attempts = Seal(secret, "sign-in")
        self._session = session
        self._public_url = public_url.rstrip("/")
        self._http = http

    async def user(self, request: Request) -> User:
        """The person whose session the request's cookie is.

        Raises:
            SignInError: There is none, or it is over.
        """
        try:
            session = self._sessions.opened(request.cookies.get(SESSION, ""))
        except RefusedError as error:
            raise SignInError(
                f"nobody is signed in; go to {LOGIN}", detail={"login": LOGIN}
            ) from error
        return User(str(session["sub"]), str(session["name"]))

    def routes(self) -> Sequence[BaseRoute]:
        """Sign in, come back from the issuer, sign out."""
        return (
            Route(LOGIN, self._login, methods=["GET"]),
            Route("/auth/callback", self._callback, methods=["GET"]),
            Route("/auth/logout", self._logout, methods=["POST"]),
        )

    async def close(self) -> None:
        """Close the connection to the issuer."""
        await self._http.aclose()

    async def _login(self, request: Request) -> Response:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._callback_url(request),
            "scope": self._scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        endpoint = (await self._issuer.metadata()).authorization_endpoint
        response = RedirectResponse(f"{endpoint}?{urlencode(asked)}", status_code=303)
        attempt = {
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "next": _own_path(request.query_params.get("next", "/")),
        }
        _set_cookie(response, ATTEMPT, self._attempts.sealed(attempt, ttl=ATTEMPT_TTL), ATTEMPT_TTL)
        return response

    async def _callback(self, request: Request) -> Response:
        attempt = self._attempts.opened(request.cookies.get(ATTEMPT, ""))
        asked = request.query_params
        if not hmac.compare_digest(asked.get("state", "").encode(), attempt["state"].encode()):
            raise RefusedError("the issuer answered another sign-in; start again at " + LOGIN)
        if "code" not in asked:
            reason = asked.get("error_description") or asked.get("error") or "no code"
            raise SignInError(f"the issuer did not sign you in: {reason[:200]}")
        id_token = await self._exchanged(request, asked["code"], attempt["verifier"])
        claims = await self._verifier.claims(id_token)
        if not hmac.compare_digest(str(claims.get("nonce")).encode(), attempt["nonce"].encode()):
            raise SignInError("the token answers another sign-in; start again at " + LOGIN)
        return self._signed_in(user_of_claims(claims), attempt["next"])

    async def _exchanged(self, request: Request, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback_url(request),
            "client_id": self._client_id,
            "code_verifier": verifier,
        }
        if self._client_secret:
            form["client_secret"] = self._client_secret
        try:
            answer = await self._http.post(
                (await self._issuer.metadata()).token_endpoint, data=form
            )
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=Tokens).id_token
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            raise SignInError(
                f"the issuer did not take the code: {error}; start again at {LOGIN}"
            ) from error

    def _signed_in(self, user: User, where: str) -> Response:
        session = self._sessions.sealed({"sub": user.id, "name": user.name}, ttl=self._session)
        response = RedirectResponse(where, status_code=303)
        _set_cookie(response, SESSION, session, self._session)
        response.delete_cookie(ATTEMPT, path="/", secure=True, httponly=True, samesite="lax")
        return response

    async def _logout(self, request: Request) -> Response:  # noqa: ARG002 - any session ends
        response = Response(status_code=204)
        response.delete_cookie(SESSION, path="/", secure=True, httponly=True, samesite="lax")
        return response

    def _callback_url(self, request: Request) -> str:
        origin = self._public_url or f"{request.url.scheme}://{request.headers['host']}"
        return f"{origin}/auth/callback"


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _own_path(path: str) -> str:
    """`path` where it stays on this site, else the first page."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_own and path.isprintable() else "/"


def _set_cookie(response: Response, name: str, value: str, max_age: float) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(max_age),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )

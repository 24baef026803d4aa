"""An OpenID Connect issuer of our own: a real server with real keys that signs what a test asks."""

import asyncio
import contextlib
import functools
import hashlib
import json
import socket
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route


@functools.cache  # a key takes long to find
def _key(holder: str, name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class TestIssuer:
    """Signs people in without asking; `user` is who they are."""

    __test__ = False

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.current = ""
        self.user = {"sub": "ada", "name": "Ada"}
        self.key_requests = 0
        self.codes: dict[str, dict[str, str]] = {}
        self.rotate("key-1")
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/keys", self._keys),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    def rotate(self, name: str, holder: str = "issuer") -> None:
        """Sign with the key that `holder` calls `name` from now on."""
        self.keys = {name: _key(holder, name)}
        self.current = name

    def token(self, audience: str, **changes: Any) -> str:
        """A token for `user`, with `changes` to what it says; None takes a claim out."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": audience, "iat": now, "exp": now + 300, **self.user}
        claims.update(changes)
        kept = {name: value for name, value in claims.items() if value is not None}
        key = self.keys[self.current]
        return jwt.encode(kept, key, algorithm="RS256", headers={"kid": self.current})

    async def _metadata(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
            }
        )

    async def _keys(self, request: Request) -> Response:
        self.key_requests += 1
        public = [
            {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": name, "use": "sig"}
            for name, key in self.keys.items()
        ]
        return JSONResponse({"keys": public})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?code={code}&state={asked['state']}", 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        asked = self.codes.pop(str(form["code"]), None)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge:
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = self.token(asked["client_id"], nonce=asked["nonce"])
        return JSONResponse({"id_token": token, "access_token": "unused", "token_type": "Bearer"})


@contextlib.asynccontextmanager
async def running_issuer() -> AsyncIterator[TestIssuer]:
    """An issuer on a free loopback port."""
    listening = socket.create_server(("127.0.0.1", 0))
    issuer = TestIssuer(listening.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(issuer.app, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield issuer
    finally:
        server.should_exit = True
        await serving
        listening.close()

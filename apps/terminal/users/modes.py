"""The one way of signing in that the settings choose."""

from apps.terminal.settings import TerminalSettings
from apps.terminal.users.owner import OwnerMode
from apps.terminal.users.user import Authenticator

ISSUER_TIMEOUT = 10.0


def authenticator(settings: TerminalSettings, *, secret: str, public_url: str) -> Authenticator:
    """Who finds out who is asking.

    Args:
        settings: Which way, and whom to believe.
        secret: The app's secret, which session cookies are signed with.
        public_url: Where browsers reach the app; empty to go by each request.
    """
    if settings.auth == "owner":
        return OwnerMode()
    return _with_issuer(settings, secret, public_url)


def _with_issuer(settings: TerminalSettings, secret: str, public_url: str) -> Authenticator:
    # A laptop needs none of this, and it takes a third of the service's start to import.
    import httpx  # noqa: PLC0415

    from apps.terminal.users.bearer import BearerMode  # noqa: PLC0415
    from apps.terminal.users.keys import Issuer  # noqa: PLC0415
    from apps.terminal.users.oidc import OidcMode  # noqa: PLC0415
    from apps.terminal.users.tokens import TokenVerifier  # noqa: PLC0415

    http = httpx.AsyncClient(timeout=ISSUER_TIMEOUT)
    issuer = Issuer(settings.issuer, jwks_url=settings.jwks_url, http=http)
    verifier = TokenVerifier(
        issuer,
        audience=settings.audience or settings.oidc_client_id,
        algorithms=settings.allowed_algorithms,
        clock_skew=settings.clock_skew,
    )
    if settings.auth == "jwt":
        return BearerMode(verifier, http)
    return OidcMode(
        issuer,
        verifier,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        scopes=settings.oidc_scopes,
        secret=secret,
        session=settings.session_hours * 3600,
        public_url=public_url,
        http=http,
    )

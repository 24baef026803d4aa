"""Whether this process lives, whether it can work, and what it counts."""

from msgspec import Struct
from starlette.responses import Response

from tidegate.api.call import Call
from tidegate.api.refusal import answer
from tidegate.errors import BackendUnavailableError


class HealthBody(Struct):
    """Whether the process is in order, and why where it is not."""

    status: str
    reasons: list[str] = []


async def alive(_call: Call) -> HealthBody:
    """Whether the process answers at all."""
    return HealthBody("ok")


async def alias(call: Call) -> HealthBody:
    """The same as `/healthz`."""
    return await alive(call)


async def ready(call: Call) -> Response:
    """Whether the process can do its work now: Valkey answers, and it is not shutting down."""
    reasons = []
    try:
        await call.client.valkey.call("PING")
    except BackendUnavailableError as error:
        reasons.append(str(error))
    if call.service.gateway.is_draining:
        reasons.append("shutting down")
    if reasons:
        return answer(HealthBody("unavailable", reasons), 503)
    return answer(HealthBody("ok"))


async def metrics(call: Call) -> Response:
    """What is counted, in the text format of Prometheus."""
    from tidegate.api.exposition import exposed  # noqa: PLC0415 - a tenth of a second to import

    text = await exposed(call.client, call.service.gateway)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

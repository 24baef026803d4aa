"""The app that the tests of `tidegate up` run: one of everything."""

import asyncio
import os
from typing import Any

from tidegate import App, JobContext, QueueDepth, Retry
from tidegate.client import Client

app = App("captions")
videos = app.queue(
    "videos",
    lease=2.0,
    scale=QueueDepth(messages_per_task=5, min=0, max=3),
    slots=5,
    idle_timeout=2.0,
    drain=3.0,
    stop_timeout=5.0,
    env={"CAPTIONS_LANGUAGE": "en"},
    secrets=["CAPTIONS_SECRET"],
)
app.service("web", "captions:web")
app.daemon("clock", "captions:clock")
app.container("sidecar", command=["sleep", "3600"])


@videos.job
async def upper(text: str) -> str:
    return text.upper()


@videos.job
async def slow(job: JobContext, seconds: float) -> str:
    """Sleep, since a long job is what the test is about."""
    await job.progress(0, of=seconds)
    await asyncio.sleep(seconds)
    return job.worker


@videos.job
async def environment() -> dict[str, str]:
    return dict(os.environ)


@videos.job(retry=Retry(attempts=1))
async def fail(text: str) -> None:
    raise ValueError(text)


async def clock(client: Client) -> None:
    """Tell the time once, and wait to be cancelled."""
    await client.publish("clock", {"pid": os.getpid()})
    await asyncio.Event().wait()


async def web(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = str(os.getpid())
    if scope["path"] == "/enqueue":
        body = (await upper.enqueue("from the web")).id
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})

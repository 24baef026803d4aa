"""A small Tidegate app: a page that hands work to a queue and shows what comes of it.

Run it with `tidegate up`, and open the address it prints.
"""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tidegate import App, JobContext, QueueDepth

app = App("starter")
texts = app.queue("texts", scale=QueueDepth(messages_per_task=5, min=0, max=3))


@texts.job
async def count_words(job: JobContext, text: str) -> int:
    """Count slowly, and say how far it is: watch it with `tidegate jobs watch ID`."""
    words = text.split()
    for done in range(len(words)):
        await job.progress(done + 1, of=len(words))
        await asyncio.sleep(0.1)
    return len(words)


async def page(_request: Request) -> Response:
    """The one page."""
    return HTMLResponse(PAGE)


async def count(request: Request) -> Response:
    """Enqueue a job and answer with its result; a worker starts by itself."""
    handle = await count_words.enqueue((await request.body()).decode())
    return JSONResponse({"job": handle.id, "words": await handle.result(timeout=60)})


async def health(_request: Request) -> Response:
    """What load balancers ask."""
    return Response("ok")


web = Starlette(
    routes=[
        Route("/", page),
        Route("/count", count, methods=["POST"]),
        Route("/healthz", health),
    ]
)
app.service("web", "app:web")

PAGE = """<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Words</title>
<style>
  body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 4rem auto; }
  textarea { width: 100%; font: inherit; padding: .5rem; }
</style>
<h1>How many words?</h1>
<form>
  <textarea rows="5" aria-label="Text">The tide waits for nobody.</textarea>
  <button>Count</button> <output></output>
</form>
<script>
  const form = document.querySelector("form"), output = document.querySelector("output");
  form.onsubmit = async (event) => {
    event.preventDefault();
    output.textContent = "counting\\u2026";
    const body = document.querySelector("textarea").value;
    const answer = await fetch("/count", { method: "POST", body });
    output.textContent = answer.ok ? `${(await answer.json()).words} words` : "that failed";
  };
</script>
"""

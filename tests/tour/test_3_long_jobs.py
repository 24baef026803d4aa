"""Third stop: jobs that take long say how far they are, and survive their workers."""

import msgspec

from tidegate import App, JobContext, Retry
from tidegate.settings import Settings
from tidegate.testing.working import working

app = App("tour")
films = app.queue("films")


@films.job
async def develop(job: JobContext, frames: int) -> str:
    for frame in range(1, frames + 1):
        await job.publish({"type": "frame", "frame": frame})
        await job.progress(frame, of=frames)
    return "developed"


@films.job(retry=Retry(base=0.01))
async def copy(job: JobContext, reels: int) -> list[int]:
    done = job.checkpointed(list[int]) or []
    for reel in range(len(done) + 1, reels + 1):
        done.append(job.claim.attempt)
        await job.checkpoint(done)
        if job.claim.attempt == 1 and reel == 2:
            raise RuntimeError("the projector jammed")
    return done


@films.job(retry=Retry(base=0.01))
async def sell(job: JobContext) -> str:
    async def charge() -> str:
        return f"receipt of attempt {job.claim.attempt}"

    receipt = await job.once("charge", charge, str)
    if job.claim.attempt < 3:
        raise RuntimeError("out of paper")
    return receipt


async def test_events_of_a_job_are_kept_in_order_and_end_with_its_end(settings: Settings) -> None:
    async with working(app, settings) as client:
        handle = await develop.enqueue(3)
        await handle.result(timeout=5)
        log = await client.replay(handle.channel)
        events = [msgspec.json.decode(event.data) for event in log.events]
        frames = [event["frame"] for event in events if event["type"] == "frame"]
        assert frames == [1, 2, 3]
        assert events[-1] == {"type": "end", "job": handle.id, "state": "succeeded"}


async def test_the_latest_progress_is_in_the_record(settings: Settings) -> None:
    async with working(app, settings):
        handle = await develop.enqueue(3)
        await handle.result(timeout=5)
        assert (await handle.record()).progress == b'{"done":3,"of":3,"note":""}'


async def test_the_next_attempt_starts_from_the_checkpoint(settings: Settings) -> None:
    async with working(app, settings):
        assert await (await copy.enqueue(4)).result(timeout=5) == [1, 1, 2, 2]


async def test_a_step_runs_once_however_often_the_job_does(settings: Settings) -> None:
    async with working(app, settings):
        assert await (await sell.enqueue()).result(timeout=5) == "receipt of attempt 1"

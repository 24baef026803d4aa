"""Fourth stop: which job runs when, and where."""

import asyncio

from tidegate import App, Client, JobContext
from tidegate.jobs.job import State
from tidegate.settings import Settings
from tidegate.testing.working import working


def a_kitchen(slots: int = 1) -> tuple[App, list[str]]:
    """An app with one job, and the list of what it has cooked."""
    app = App("tour")
    orders = app.queue("orders", slots=slots)
    cooked: list[str] = []

    @orders.job
    async def cook(dish: str) -> None:
        await asyncio.sleep(0.01)  # a dish takes time, so that another could overtake it
        cooked.append(dish)

    return app, cooked


async def test_jobs_with_one_key_run_one_after_the_other(settings: Settings) -> None:
    app, cooked = a_kitchen(slots=10)
    cook = app.find_job("tour.cook")
    async with working(app, settings):
        table = cook.using(key="table 7")
        handles = [await table.enqueue(dish) for dish in ("soup", "fish", "cake")]
        for handle in handles:
            await handle.result(timeout=5)
    assert cooked == ["soup", "fish", "cake"]


async def test_the_most_urgent_come_first(settings: Settings) -> None:
    app, cooked = a_kitchen()
    cook = app.find_job("tour.cook")
    async with working(app, settings) as client:
        await client.pause("orders")
        handles = [
            await cook.using(priority=priority).enqueue(priority)
            for priority in ("low", "normal", "high")
        ]
        await client.resume("orders")
        for handle in handles:
            await handle.result(timeout=5)
    assert cooked == ["high", "normal", "low"]


async def test_a_job_may_be_due_later(settings: Settings) -> None:
    app, cooked = a_kitchen()
    cook = app.find_job("tour.cook")
    async with working(app, settings):
        later = await cook.using(delay=0.2).enqueue("breakfast")
        now = await cook.enqueue("supper")
        await now.result(timeout=5)
        await later.result(timeout=5)
    assert cooked == ["supper", "breakfast"]


async def test_ordering_twice_by_accident_cooks_once(settings: Settings) -> None:
    app, _ = a_kitchen()
    cook = app.find_job("tour.cook")
    async with Client.open(app, settings):
        first = await cook.using(dedupe="order 12").enqueue("pizza")
        again = await cook.using(dedupe="order 12").enqueue("pizza")
        assert (again.id, again.created) == (first.id, False)


async def test_what_is_not_worth_starting_late_expires(settings: Settings) -> None:
    app, cooked = a_kitchen()
    cook = app.find_job("tour.cook")
    async with Client.open(app, settings):
        handle = await cook.using(start_within=0.05).enqueue("lunch")
    await asyncio.sleep(0.1)  # until lunch time is over
    async with working(app, settings) as client:
        record = await client.handle(handle.id).ended(timeout=5)
    assert (record.state, cooked) == (State.EXPIRED, [])


async def test_jobs_of_one_affinity_go_where_their_workspace_is(settings: Settings) -> None:
    app = App("tour")
    builds = app.queue("builds", slots=2)
    fetched: list[str] = []
    workspaces: set[str] = set()

    @builds.before_release
    async def save(project: str, _epoch: int) -> None:
        workspaces.discard(project)

    @builds.job
    async def build(job: JobContext) -> str:
        project = job.claim.affinity or ""
        if project not in workspaces:
            workspaces.add(project)
            fetched.append(project)
        return job.worker

    async with working(app, settings):
        handles = [await build.using(affinity="site").enqueue() for _ in range(3)]
        ran_on = {await handle.result(timeout=5) for handle in handles}
    assert len(ran_on) == 1
    assert fetched == ["site"]
    assert workspaces == set()

"""First stop: a job is a function on a queue."""

from dataclasses import dataclass

import pytest

from tidegate import App, Client
from tidegate.errors import PayloadError
from tidegate.settings import Settings
from tidegate.testing.working import working

app = App("tour")
letters = app.queue("letters")


@letters.job
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@dataclass
class Parcel:
    to: str
    grams: int


@letters.job
def weigh(parcel: Parcel, *, express: bool = False) -> float:
    """A plain function runs in a thread, so it may block."""
    return parcel.grams * (0.02 if express else 0.01)


async def test_a_job_is_enqueued_with_its_arguments_and_answers_with_its_result(
    settings: Settings,
) -> None:
    async with working(app, settings):
        handle = await greet.enqueue("Ada")
        assert await handle.result(timeout=5) == "Hello, Ada!"


async def test_arguments_may_be_anything_json_can_hold(settings: Settings) -> None:
    async with working(app, settings):
        handle = await weigh.enqueue(Parcel("Lisbon", grams=500), express=True)
        assert await handle.result(timeout=5) == 10.0


async def test_a_wrong_argument_is_refused_where_it_is_enqueued(settings: Settings) -> None:
    async with Client.open(app, settings):
        with pytest.raises(PayloadError, match="Expected `str`, got `int`"):
            await greet.enqueue(7)  # type: ignore[arg-type]


async def test_thousands_are_enqueued_in_one_call(settings: Settings) -> None:
    async with working(app, settings) as client:
        handles = await client.enqueue_many(greet, [(f"guest {n}",) for n in range(1000)])
        assert await handles[-1].result(timeout=10) == "Hello, guest 999!"


async def test_whoever_knows_a_jobs_id_can_ask_for_it(settings: Settings) -> None:
    async with working(app, settings) as client:
        handle = await greet.enqueue("Ada")
        elsewhere = client.handle(handle.id)
        assert await elsewhere.result(timeout=5) == "Hello, Ada!"


def test_a_job_is_still_a_function() -> None:
    assert weigh(Parcel("Porto", grams=100)) == 1.0

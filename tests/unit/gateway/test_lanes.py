import asyncio
from functools import partial

from tidegate.gateway.lanes import Lanes


async def test_steps_of_a_lane_run_in_order_and_lanes_side_by_side() -> None:
    done: list[str] = []
    gate = asyncio.Event()

    async def step(name: str, *, waits: bool = False) -> None:
        if waits:
            await gate.wait()
        done.append(name)

    async with Lanes() as lanes:
        lanes.put("a", partial(step, "a1", waits=True))
        lanes.put("a", partial(step, "a2"))
        lanes.put("b", partial(step, "b1"))
        await asyncio.sleep(0)
        assert done == ["b1"]
        gate.set()
        await asyncio.gather(*lanes._tasks)
    assert done == ["b1", "a1", "a2"]


async def test_a_lane_is_gone_when_it_has_nothing_to_do() -> None:
    async with Lanes() as lanes:
        ended = asyncio.Event()

        async def step() -> None:
            ended.set()

        lanes.put("a", step)
        await ended.wait()
        await asyncio.sleep(0)
        assert not lanes._lanes
        assert not lanes._tasks


async def test_leaving_cancels_what_still_runs() -> None:
    async with Lanes() as lanes:
        lanes.put("a", partial(asyncio.sleep, 3600))
        await asyncio.sleep(0)
    assert not lanes._lanes

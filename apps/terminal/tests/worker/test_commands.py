"""A command typed in a terminal, run by a worker, for real."""

from apps.terminal.tests.worker.conftest import Typist


async def test_a_command_runs_and_its_output_and_exit_arrive(typist: Typist) -> None:
    job = await typist.start("echo hello; exit 3")
    events = await typist.events(job)
    assert events[0]["type"] == "command"
    assert "".join(e["data"] for e in events if e["type"] == "output") == "hello\r\n"
    assert (events[-1]["code"], events[-1]["state"]) == (3, "succeeded")

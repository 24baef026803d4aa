"""What a supervisor says to a reaper, and what the reaper understands."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.launchers import orders
from tidegate.launchers.orders import Step

SIGNALS = st.sampled_from([signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])


@given(SIGNALS, st.integers(0, 10_000), st.booleans())
def test_a_step_reads_back_as_it_was_spelled(
    number: int,
    milliseconds: int,
    everyone: bool,  # noqa: FBT001
) -> None:
    order = orders.stop_order("test", Step(number, milliseconds / 1000, everyone=everyone))
    found = orders.parsed_step(order.decode().split()[2])
    assert (found.number, found.everyone) == (number, everyone)
    assert found.seconds == pytest.approx(milliseconds / 1000)


def test_the_command_line_carries_every_limit_to_the_reaper() -> None:
    line = orders.command(
        ["sh", "-c", "true -- x"],
        status=5,
        control=6,
        stop_timeout=1.5,
        orphan_timeout=0.5,
        memory_bytes=7,
    )
    options, argv, others = orders.parsed_arguments(line[line.index("--status=5") :])
    assert argv == ["sh", "-c", "true -- x"]
    assert (options.status, options.control, options.memory) == (5, 6, 7)
    assert (options.stop_timeout, options.orphan_timeout) == (1.5, 0.5)
    assert others == {}


def test_options_of_another_entry_are_kept_for_it() -> None:
    _, _, others = orders.parsed_arguments(["--uid=5", "--read=/a", "--read=/b", "--", "sh"])
    assert others == {"uid": ["5"], "read": ["/a", "/b"]}


def test_the_exit_code_is_what_a_shell_would_show() -> None:
    assert orders.exit_of(3 << 8) == (3, None)
    assert orders.exit_of(signal.SIGKILL) == (137, "KILL")

"""One command in a pseudo-terminal, for real."""

import asyncio

import pytest

from apps.terminal.pty import Carried, CommandTextError, CommandTooLongError, PtyCommand
from apps.terminal.sandbox import Lease, Limits, Sandbox
from apps.terminal.tests.places import Run, spec_of

MIB = 1024 * 1024


async def test_output_and_exit_code_arrive(run: Run) -> None:
    exit_, output = await run("echo hello; exit 7")
    assert (exit_.code, exit_.signal, exit_.reason) == (7, None, None)
    assert output == b"hello\r\n"


async def test_the_command_has_a_terminal_of_its_size(run: Run, lease: Lease) -> None:
    _, output = await run("test -t 0 && stty size")
    assert output == b"24 80\r\n"


async def test_home_and_starting_folder_are_the_workspace(run: Run, lease: Lease) -> None:
    _, output = await run("echo $HOME; pwd")
    assert output.decode().splitlines() == [str(lease.workspace)] * 2


@pytest.mark.parametrize("ending", ["", "; false", "; exit 3", "; trap 'echo mine' EXIT"])
async def test_folder_and_exports_carry_over_however_the_command_ends(
    run: Run, ending: str
) -> None:
    first, _ = await run(f"mkdir -p a/b; cd a/b && export KEY='x y' && unset LANG{ending}")
    assert (first.cwd, first.env) == ("a/b", {"KEY": "x y", "LANG": None})
    _, output = await run('pwd; echo "$KEY" [$LANG]', first.carried)
    assert output.endswith(b"/a/b\r\nx y []\r\n")


async def test_folder_and_exports_survive_ctrl_c(sandbox: Sandbox, lease: Lease) -> None:
    command = "mkdir app; cd app; export A=1; echo ready; sleep 60"
    async with PtyCommand.start(sandbox, spec_of(lease, command)) as started:
        assert await anext(started.output()) == b"ready\r\n"
        await started.write(b"\x03")
        exit_ = await started.wait()
    assert (exit_.code, exit_.cwd, exit_.env) == (130, "app", {"A": "1"})


async def test_ctrl_c_typed_at_once_is_not_lost(run: Run) -> None:
    exit_, _ = await run("sleep 60", typed=b"\x03")
    assert exit_.code == 130


async def test_a_killed_shell_leaves_the_terminal_where_it_was(run: Run) -> None:
    before = Carried(cwd="/usr", exported={"A": "1"})
    exit_, _ = await run("cd /; kill -9 $$", before)
    assert (exit_.code, exit_.signal) == (137, "KILL")
    assert exit_.carried == before


async def test_a_folder_that_is_gone_gives_way_to_the_workspace(run: Run, lease: Lease) -> None:
    _, output = await run("pwd", Carried(cwd="no/longer/there"))
    assert output.decode().strip() == str(lease.workspace)


async def test_an_environment_too_large_to_carry_stays_behind(run: Run) -> None:
    exit_, _ = await run("export BIG=$(head -c 400000 /dev/zero | tr '\\0' x) 2>/dev/null; cd /usr")
    assert (exit_.code, exit_.carried) == (0, Carried())


async def test_typed_keys_reach_the_command(run: Run) -> None:
    _, output = await run("read line; echo got $line", typed="hé\n".encode())
    assert output.decode().endswith("got hé\r\n")


async def test_background_processes_end_with_the_command_and_are_counted(run: Run) -> None:
    exit_, _ = await run("sleep 60 & setsid sleep 60 & (setsid setsid sleep 60 &); sleep 0.2")
    assert (exit_.code, exit_.ended) == (0, 3)


async def test_a_resize_reaches_the_program(sandbox: Sandbox, lease: Lease) -> None:
    command = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done"
    async with PtyCommand.start(sandbox, spec_of(lease, command)) as started:
        output = started.output()
        assert await anext(output) == b"ready\r\n"
        started.resize(132, 43)
        assert await anext(output) == b"43 132\r\n"


async def test_a_signal_reaches_what_runs_in_the_foreground(sandbox: Sandbox, lease: Lease) -> None:
    command = "trap 'echo usr1; exit 5' USR1; echo ready; while :; do sleep 0.01; done"
    async with PtyCommand.start(sandbox, spec_of(lease, command)) as started:
        assert await anext(started.output()) == b"ready\r\n"
        started.signal("USR1")
        assert (await started.wait()).code == 5


async def test_a_program_that_closes_its_terminal_for_a_while_is_heard_again(run: Run) -> None:
    _, output = await run("exec <&- >&- 2>&-; sleep 0.05; echo back >/dev/tty")
    assert output == b"back\r\n"


async def test_all_output_arrives_when_the_command_ends_at_once(run: Run) -> None:
    _, output = await run("head -c 60000 /dev/zero | tr '\\0' x")
    assert output == b"x" * 60000


async def test_output_beyond_the_limit_is_marked_once_and_does_not_block(run: Run) -> None:
    limits = Limits(output_bytes=1000)
    exit_, output = await run("head -c 300000 /dev/zero | tr '\\0' x; exit 4", limits=limits)
    assert exit_.code == 4
    assert output.startswith(b"x" * 1000 + b"\r\n[tidegate: output beyond")
    assert len(output) < 1100


async def test_a_consumer_that_takes_nothing_stops_the_command_not_the_memory(
    sandbox: Sandbox, lease: Lease
) -> None:
    command = "head -c 5000000 /dev/zero | tr '\\0' x; echo done > done"
    async with PtyCommand.start(sandbox, spec_of(lease, command)) as started:
        output = started.output()
        taken = len(await anext(output))
        # Long enough for the command to end, were it not held back.
        await asyncio.sleep(0.3)
        assert not (lease.workspace / "done").exists()
        async for piece in output:
            assert len(piece) < 256 * 1024
            taken += len(piece)
        assert taken == 5_000_000


async def test_leaving_the_context_ends_the_command(sandbox: Sandbox, lease: Lease) -> None:
    async with PtyCommand.start(sandbox, spec_of(lease, "sleep 60")) as started:
        pass
    assert (await started.wait()).reason == "abandoned"


async def test_two_commands_run_side_by_side_in_one_workspace(run: Run) -> None:
    await run("mkfifo pipe")
    _, (_, output) = await asyncio.gather(run("echo through > pipe"), run("cat pipe"))
    assert output == b"through\r\n"


async def test_bytes_that_are_no_text_come_out_unchanged(run: Run) -> None:
    _, output = await run(r"stty raw; printf '\377\000\302'")
    assert output == b"\xff\x00\xc2"


def test_a_command_line_longer_than_a_program_may_get_is_refused(lease: Lease) -> None:
    with pytest.raises(CommandTooLongError, match="put it in a file"):
        spec_of(lease, "x" * 65537)


@pytest.mark.parametrize("command", ["a\0b", "\ud800"])
def test_a_command_line_that_is_no_text_is_refused(lease: Lease, command: str) -> None:
    with pytest.raises(CommandTextError, match="without NUL"):
        spec_of(lease, command)

"""Whatever a command starts ends, within two seconds of being told or of passing a limit."""

import sys
from pathlib import Path
from time import monotonic

import pytest

from apps.terminal.pty import PtyCommand
from apps.terminal.sandbox import Lease, Limits, Sandbox
from apps.terminal.sandbox.entry import Means
from apps.terminal.tests.places import Run, needs_root, spec_of
from tidegate.launchers import tree

MIB = 1024 * 1024
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="whole trees are found on Linux")

FIFTY = "for i in $(seq 50); do (setsid sleep 7201 &); done; "
STUBBORN = "trap '' INT TERM; echo ready; while :; do sleep 1; done"
BOMB = "b() { b | b & }; b; echo ready; sleep 60"


def running(tag: str) -> int:
    """How many living processes have `tag` in their command line."""
    found = 0
    for pid, process in tree.snapshot().items():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        found += process.state not in tree.DEAD and tag.encode() in line
    return found


@needs_root
@pytest.mark.parametrize("command", [FIFTY + STUBBORN, BOMB])
async def test_kill_ends_everything_within_two_seconds(
    sandbox: Sandbox, lease: Lease, command: str
) -> None:
    async with PtyCommand.start(sandbox, spec_of(lease, command)) as started:
        async for piece in started.output():
            if b"ready" in piece:
                break
        began = monotonic()
        exit_ = await started.kill()
        assert monotonic() - began < 2.0
    assert exit_.reason == "killed"
    assert running("7201") == 0
    uid = lease.identity.uid
    assert uid is not None
    assert tree.of_user(uid) == []


async def test_killing_again_keeps_the_first_reason(sandbox: Sandbox, lease: Lease) -> None:
    async with PtyCommand.start(sandbox, spec_of(lease, "sleep 60")) as started:
        assert (await started.kill("closed")).reason == "closed"
        assert (await started.kill("killed")).reason == "closed"


async def test_a_command_past_its_time_is_ended(run: Run) -> None:
    exit_, _ = await run("sleep 60", limits=Limits(timeout=0.2))
    assert (exit_.reason, exit_.detail) == ("timeout", "ran for 0.2 s, its limit")


async def test_a_command_past_its_processor_time_is_ended(run: Run) -> None:
    exit_, _ = await run("while :; do :; done", limits=Limits(cpu_seconds=1))
    assert exit_.reason == "cpu"


async def test_a_command_that_takes_too_much_memory_is_ended(run: Run) -> None:
    hog = "exec python3 -c 'x = [bytearray(10 << 20) for _ in range(100)]'"
    exit_, _ = await run(hog, limits=Limits(memory_bytes=100 * MIB))
    assert (exit_.code, exit_.reason) == (137, "memory")
    assert "the limit is 100 MiB" in exit_.detail


@pytest.fixture
def bare(sandbox: Sandbox) -> Sandbox:
    """A machine that offers nothing to hold a command with, as a worker without root finds it."""
    return Sandbox(sandbox.folder, Means(), {})


async def test_without_a_cgroup_memory_is_watched(bare: Sandbox) -> None:
    lease = bare.lease("bare", fresh=True)
    hog = "python3 -c 'x = [bytearray(10 << 20) for _ in range(30)]; import time; time.sleep(60)'"
    spec = spec_of(lease, f"{hog} & {hog}", limits=Limits(memory_bytes=100 * MIB))
    async with PtyCommand.start(bare, spec) as started:
        exit_ = await started.wait()
    lease.close()
    assert (exit_.code, exit_.reason) == (137, "memory")
    assert "the limit is 100 MiB" in exit_.detail


async def test_without_any_layer_a_tree_still_ends_whole(bare: Sandbox) -> None:
    lease = bare.lease("bare", fresh=True)
    command = f"{FIFTY.replace('7201', '7203')}{STUBBORN}"
    async with PtyCommand.start(bare, spec_of(lease, command)) as started:
        assert await anext(started.output()) == b"ready\r\n"
        began = monotonic()
        await started.kill()
        assert monotonic() - began < 2.0
    lease.close()
    assert running("7203") == 0


async def test_a_command_that_fills_the_disk_is_ended(run: Run) -> None:
    exit_, _ = await run("yes > big", limits=Limits(disk_bytes=20 * MIB))
    assert exit_.reason == "disk"


async def test_a_workspace_over_its_limit_can_still_be_cleared(run: Run, lease: Lease) -> None:
    await run("head -c 30000000 /dev/zero > big")
    exit_, _ = await run("rm big; echo ok > small", limits=Limits(disk_bytes=MIB))
    assert (exit_.code, exit_.reason) == (0, None)


async def test_a_file_may_not_grow_past_its_limit(run: Run) -> None:
    exit_, _ = await run("exec head -c 20000000 /dev/zero > big", limits=Limits(file_bytes=MIB))
    assert (exit_.signal, exit_.reason) == ("XFSZ", "file_size")


async def test_a_guard_that_is_killed_leaves_a_clear_end(sandbox: Sandbox, lease: Lease) -> None:
    async with PtyCommand.start(sandbox, spec_of(lease, "echo ready; sleep 7202")) as started:
        await anext(started.output())
        started._guard.kill()
        exit_ = await started.wait()
    assert (exit_.code, exit_.reason) == (None, "lost")

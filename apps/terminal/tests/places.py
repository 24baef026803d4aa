"""Places where tests run commands for real."""

import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from apps.terminal.pty import Carried, CommandSpec, Exit, PtyCommand
from apps.terminal.sandbox import Lease, Limits, Sandbox

Run = Callable[..., Awaitable[tuple[Exit, bytes]]]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change user")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """What this machine offers; its folder is not tmp_path, which other users cannot enter."""
    folder = Path(tempfile.mkdtemp(prefix="tidegate-test-", dir="/var/tmp"))
    yield Sandbox.probe(folder)
    shutil.rmtree(folder)


@pytest.fixture
def lease(sandbox: Sandbox) -> Iterator[Lease]:
    """A project's place, new for each test."""
    lease = sandbox.lease("project", fresh=True)
    yield lease
    lease.close()


@pytest.fixture
def run(sandbox: Sandbox, lease: Lease) -> Run:
    """Run one command to its end; how it ended, and all it printed."""

    async def run(
        command: str,
        carried: Carried | None = None,
        limits: Limits | None = None,
        typed: bytes = b"",
    ) -> tuple[Exit, bytes]:
        spec = spec_of(lease, command, carried=carried or Carried(), limits=limits or Limits())
        async with PtyCommand.start(sandbox, spec) as started:
            await started.write(typed)
            output = b"".join([piece async for piece in started.output()])
            return await started.wait(), output

    return run


def spec_of(lease: Lease, command: str, **options: object) -> CommandSpec:
    """`command`, in the place of `lease`."""
    where = {"workspace": lease.workspace, "identity": lease.identity}
    return CommandSpec(command=command, **where, **options)  # type: ignore[arg-type]

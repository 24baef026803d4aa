"""What a command can and cannot do, tried for real."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.terminal.pty import PtyCommand
from apps.terminal.sandbox import Lease, Limits, Sandbox, UnreachableFolderError, layers
from apps.terminal.tests.places import Run, needs_root, spec_of

MIB = 1024 * 1024


def active(sandbox: Sandbox, name: str) -> bool:
    return next(layer.active for layer in sandbox.layers if layer.layer == name)


def needs(sandbox: Sandbox, name: str) -> None:
    if not active(sandbox, name):
        pytest.skip(f"the layer {name!r} is not active here")


def test_every_layer_is_reported_with_a_reason(sandbox: Sandbox) -> None:
    names = [layer.layer for layer in sandbox.layers]
    assert names[:3] == ["user", "environment", "limits"]
    assert all(layer.detail for layer in sandbox.layers)


@needs_root
def test_a_folder_that_no_user_could_enter_is_refused(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(UnreachableFolderError, match="chmod o"):
        Sandbox.probe(private / "workspaces")


async def test_nothing_of_the_workers_environment_is_seen(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TIDEGATE_SECRET_KEY", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "ECS_AGENT"):
        monkeypatch.setenv(name, "reachable")
    _, output = await run("env; cat /proc/$PPID/environ | tr '\\0' '\\n'")
    assert b"reachable" not in output


async def test_what_was_exported_acts_on_the_command_and_not_on_its_guard(
    run: Run, lease: Lease
) -> None:
    exported, _ = await run("export LD_PRELOAD=$HOME/evil.so PYTHONPATH=$HOME BASH_ENV=$HOME/evil")
    exit_, output = await run("echo fine", exported.carried)
    # The loader complains in the shell it was exported for; the guard has started all the same.
    assert exit_.code == 0
    assert output.endswith(b"fine\r\n")


@needs_root
@pytest.mark.parametrize(
    "attempt",
    [
        "cat /etc/shadow",
        "cat /proc/$PPID/environ",
        "kill -0 $PPID",
        "kill -0 1",
        "chown 0 mine",
        "echo x > /usr/x",
        "echo x > /etc/x",
        "ls ../other",
        "mount -t tmpfs none mnt",
        "unshare --user true",
        "unshare --mount true",
        "python3 -c 'import os; os.setuid(0)'",
        "chroot . true",
        "mknod null c 1 3",
    ],
)
async def test_a_command_cannot_leave_its_place(
    run: Run, sandbox: Sandbox, lease: Lease, attempt: str
) -> None:
    other = sandbox.lease("other", fresh=True)
    exit_, output = await run(
        f"touch mine; mkdir mnt; {attempt.replace('other', other.workspace.name)}"
    )
    other.close()
    assert exit_.code != 0, output


async def test_set_user_id_programs_gain_nothing(run: Run) -> None:
    _, output = await run("grep NoNewPrivs /proc/self/status")
    assert output.split() == [b"NoNewPrivs:", b"1"]


@needs_root
async def test_no_capability_is_left_to_gain(run: Run) -> None:
    _, output = await run("grep ^Cap /proc/self/status")
    assert {line.split()[1] for line in output.splitlines()} == {b"0" * 16}


@pytest.mark.parametrize("number", ["ptrace", "keyctl", "bpf", "io_uring_setup"])
async def test_dangerous_system_calls_are_refused(run: Run, sandbox: Sandbox, number: str) -> None:
    needs(sandbox, "system calls")
    import pyseccomp  # noqa: PLC0415 - only where there is one

    call = pyseccomp.resolve_syscall(pyseccomp.system_arch(), number)
    script = (
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True); "
        f"libc.syscall({call}, 0, 0, 0, 0, 0); print(ctypes.get_errno())"
    )
    _, output = await run(f'python3 -c "{script}"')
    assert output.strip() == b"1"


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that everyone may write, as far as its permissions go."""
    folder = Path(tempfile.mkdtemp(dir="/opt"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@needs_root
async def test_only_the_workspace_and_temporary_folders_can_be_written(
    run: Run, sandbox: Sandbox, outside: Path
) -> None:
    needs(sandbox, "files")
    _, output = await run(f"echo x > {outside}/x; echo y > $TMPDIR/y && echo z > z && echo ok")
    assert not (outside / "x").exists()
    assert output.endswith(b"ok\r\n")


@needs_root
async def test_files_left_in_shared_folders_go_with_the_project(
    sandbox: Sandbox, lease: Lease, run: Run
) -> None:
    left = Path("/tmp") / f"left-{lease.workspace.name}"  # noqa: S108
    await run(f"mkdir -p {left}/deep && touch {left}/deep/x")
    assert left.exists()
    lease.close()
    assert not left.exists()


async def test_processes_are_limited(run: Run, sandbox: Sandbox) -> None:
    needs(sandbox, "user")
    script = (
        "import os, time\nn = 0\n"
        "try:\n  while n < 60:\n    if os.fork() == 0: time.sleep(9)\n    n += 1\n"
        "except OSError: print(n)"
    )
    _, output = await run(f"exec python3 -c '{script}'", limits=Limits(processes=30))
    assert 0 < int(output) < 30


async def test_open_files_are_limited(run: Run) -> None:
    _, output = await run("ulimit -n; ulimit -Hn", limits=Limits(open_files=64))
    assert output.split() == [b"64", b"64"]


@pytest.mark.parametrize(
    ("tool", "command", "expected"),
    [
        ("node", "node -e 'console.log(6 * 7)'", b"42"),
        ("npm", "npm init -y >/dev/null && cat package.json", b'"version": "1.0.0"'),
        ("vim", "vim -es -u NONE -c 'normal ihello' -c wq n.txt; cat n.txt", b"hello"),
        ("git", "git init -q . && git add -A . && git status --short --branch", b"No commits yet"),
        (
            "python3",
            "python3 -c 'import ssl, ctypes, multiprocessing as m; m.Lock(); print(7)'",
            b"7",
        ),
        ("pip", "pip --version", b"pip "),
    ],
)
async def test_the_tools_people_use_run_unchanged(
    run: Run, tool: str, command: str, expected: bytes
) -> None:
    if shutil.which(tool, path="/usr/local/bin:/usr/bin:/bin") is None:
        pytest.skip(f"{tool} is not installed here")
    exit_, output = await run(command)
    assert expected in output
    assert exit_.code == 0


async def test_without_users_of_their_own_commands_still_cannot_read_what_is_hidden(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    needs(sandbox, "files")
    hidden = tmp_path / "data"
    hidden.mkdir()
    (hidden / "secret").write_text("hidden")
    (tmp_path / "beside").write_text("open")
    means = layers.found((), [hidden], sandbox.folder)
    plain = Sandbox(sandbox.folder, means, {})
    lease = plain.lease("plain", fresh=True)
    command = f"cat {hidden}/secret {tmp_path}/beside; echo x > {tmp_path}/x; echo y > y && cat y"
    async with PtyCommand.start(plain, spec_of(lease, command)) as started:
        output = b"".join([piece async for piece in started.output()])
    lease.close()
    assert not (tmp_path / "x").exists()
    assert b"hidden" not in output.replace(b"hidden/", b"")
    assert b"open" in output
    assert output.endswith(b"y\r\n")


async def test_a_terminal_belongs_to_the_commands_user(sandbox: Sandbox, lease: Lease) -> None:
    async with PtyCommand.start(sandbox, spec_of(lease, "stat -c %u $(tty); id -u")) as started:
        output = b"".join([piece async for piece in started.output()])
    assert len(set(output.split())) == 1

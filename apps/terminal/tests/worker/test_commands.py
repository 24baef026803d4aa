"""Commands typed in a terminal, run by a worker, for real."""

import base64
import shutil

import pytest

from apps.terminal.tests.worker.conftest import Typist, text_of
from tidegate import Client

# Where a command of another user finds programs.
PATH = "/usr/local/bin:/usr/bin:/bin"
needs_python = pytest.mark.skipif(not shutil.which("python3", path=PATH), reason="needs Python")
needs_node = pytest.mark.skipif(not shutil.which("npm", path=PATH), reason="needs npm")


async def test_a_command_runs_and_its_output_and_exit_arrive_in_order(typist: Typist) -> None:
    job = await typist.start("echo hello; exit 3")
    events = await typist.events(job)
    told = [event["state"] for event in events if event["type"] == "status"]
    assert events[0]["type"] == "command"
    assert told == ["fetching", "running", "saving"]
    assert text_of(events) == "hello\r\n"
    end = events[-1]
    assert (end["code"], end["state"], end["cwd"]) == (3, "succeeded", "")
    assert end["duration_s"] >= 0


async def test_folder_and_variables_carry_over_to_the_next_command(typist: Typist) -> None:
    end, _ = await typist.run("mkdir -p src && cd src && export WHO=ada")
    assert end["cwd"] == "src"
    _, output = await typist.run('echo "$WHO in $(basename $PWD)"')
    assert output == "ada in src\r\n"


async def test_files_a_command_writes_are_saved_and_told(typist: Typist) -> None:
    await typist.run("mkdir -p src && echo one > src/a.txt && echo two > b.txt")
    assert await typist.files() == {"src/a.txt": b"one\n", "b.txt": b"two\n"}
    told = await typist.project_events()
    assert [event["type"] for event in told] == ["files"]
    assert told[0]["changed"] == ["b.txt", "src/a.txt"]
    await typist.run("rm b.txt")
    assert await typist.files() == {"src/a.txt": b"one\n"}
    assert (await typist.project_events())[-1]["removed"] == ["b.txt"]


@needs_python
async def test_a_program_is_asked_and_answered(typist: Typist) -> None:
    job = await typist.start("python3 -c \"name = input('who? '); print('hello', name.upper())\"")
    await typist.events(job, until="output", text="who?")
    await typist.type(type="keys", data="ada\r")
    events = await typist.events(job)
    assert text_of(events).endswith("hello ADA\r\n")
    assert events[-1]["code"] == 0


async def test_what_is_typed_before_a_command_starts_reaches_it(typist: Typist) -> None:
    first = await typist.start("sleep 0.5")
    second = await typist.start("read -r line; echo got $line")
    await typist.events(first, until="exit")
    await typist.type(type="keys", data="ahead\r")
    assert text_of(await typist.events(second)).endswith("got ahead\r\n")


async def test_what_an_earlier_command_has_read_is_not_typed_again(typist: Typist) -> None:
    first = await typist.start("read -r line; echo first $line")
    second = await typist.start("read -r -t 0.5 line; echo second [$line]")
    await typist.events(first, until="status", text="running")
    await typist.type(type="keys", data="once\r")
    assert "first once" in text_of(await typist.events(first))
    assert text_of(await typist.events(second)).endswith("second []\r\n")


async def test_an_input_sent_twice_is_applied_once(typist: Typist) -> None:
    job = await typist.start("read -r one; read -r two; echo [$one] [$two]")
    await typist.events(job, until="status", text="running")
    channel = f"input:{typist.project}:{typist.terminal}"
    for _ in range(3):
        await typist.client.publish(channel, {"type": "keys", "data": "x\r"}, key="writer:1")
    await typist.client.publish(channel, {"type": "keys", "data": "y\r"}, key="writer:2")
    assert text_of(await typist.events(job)).endswith("[x] [y]\r\n")


async def test_colours_and_a_changing_screen_pass_unharmed(typist: Typist) -> None:
    job = await typist.start(
        r"trap 'stty size' WINCH; printf '\033[31mred\033[0m\n'; stty size; "
        'while read -r line; do [ "$line" = q ] && break; done',
        cols=100,
        rows=30,
    )
    await typist.events(job, until="output", text="30 100")
    await typist.type(type="resize", cols=120, rows=40)
    await typist.type(type="keys", data="\r")
    await typist.events(job, until="output", text="40 120")
    await typist.type(type="keys", data="q\r")
    events = await typist.events(job)
    assert "\x1b[31mred\x1b[0m" in text_of(events)


async def test_bytes_that_are_no_text_arrive_exactly(typist: Typist) -> None:
    job = await typist.start(r"stty -opost; printf 'ok\xff\xfe\x00\x80'; printf '\xe2\x82\xac'")
    events = [event for event in await typist.events(job) if event["type"] == "output"]
    arrived = b"".join(
        base64.b64decode(event["data"]) if event.get("encoding") else event["data"].encode()
        for event in events
    )
    assert arrived == b"ok\xff\xfe\x00\x80\xe2\x82\xac"


async def test_two_terminals_share_the_workspace_while_a_server_runs_in_one(
    typist: Typist,
) -> None:
    other = await typist.another_terminal()
    server = await typist.start("echo page > index.html; echo up; sleep 30")
    await typist.events(server, until="output", text="up")
    _, output = await other.run("cat index.html; echo more > more.txt")
    assert output == "page\r\n"
    assert "more.txt" in await typist.files()
    await typist.kill()
    end = (await typist.events(server))[-1]
    assert (end["reason"], end["signal"]) == ("killed", "INT")


async def test_what_a_running_command_writes_is_seen_before_it_ends(typist: Typist) -> None:
    job = await typist.start("echo now > now.txt; sleep 30")
    await typist.project_events(until="now.txt")
    assert (await typist.files())["now.txt"] == b"now\n"
    await typist.kill()
    await typist.events(job)


async def test_an_edit_reaches_a_command_that_runs(typist: Typist) -> None:
    job = await typist.start(
        "echo old > notes.txt; until grep -q new notes.txt; do sleep 0.05; done; echo seen"
    )
    await typist.project_events(until="notes.txt")
    await typist.edit("notes.txt", b"new\n")
    assert text_of(await typist.events(job)).endswith("seen\r\n")


async def test_a_file_changed_on_both_sides_is_kept_twice_and_said_so(typist: Typist) -> None:
    await typist.run("echo base > notes.txt")
    # Held back from the workspace: nothing runs there to hear of the edit.
    job = await typist.start("read -r line; echo mine > notes.txt")
    await typist.events(job, until="status", text="running")
    await typist.edit_unheard("notes.txt", b"theirs\n")
    await typist.type(type="keys", data="\r")
    events = await typist.events(job)
    files = await typist.files()
    copies = {path for path in files if path != "notes.txt"}
    assert files["notes.txt"] == b"theirs\n"
    assert [files[path] for path in copies] == [b"mine\n"]
    assert "changed elsewhere as well" in str(events)
    assert (await typist.project_events())[-1]["type"] == "conflict"


async def test_a_fresh_workspace_shares_nothing_but_the_projects_files(typist: Typist) -> None:
    other = await typist.another_terminal()
    server = await typist.start("mkdir node_modules; echo x > node_modules/left; echo up; sleep 30")
    await typist.events(server, until="output", text="up")
    await other.edit("kept.txt", b"kept\n")
    end, output = await other.run("ls -A; echo made > made.txt", workspace="fresh")
    assert (end["code"], output.split()) == (0, ["kept.txt"])
    assert (await typist.files())["made.txt"] == b"made\n"
    await typist.kill()
    await typist.events(server)


async def test_what_is_left_in_the_background_ends_and_is_mentioned(typist: Typist) -> None:
    job = await typist.start("setsid sleep 300 & sleep 0.2; echo done")
    events = await typist.events(job)
    assert events[-1]["code"] == 0
    assert "still running in the background" in str([e for e in events if e["type"] == "notice"])


async def test_commands_of_one_terminal_run_in_the_order_they_were_typed(typist: Typist) -> None:
    jobs = [await typist.start(f"echo {number} >> order.txt") for number in range(4)]
    for job in jobs:
        await typist.events(job)
    assert (await typist.files())["order.txt"] == b"0\n1\n2\n3\n"


async def test_an_input_nobody_understands_is_mentioned_and_harms_nothing(typist: Typist) -> None:
    job = await typist.start("read -r line; echo got $line")
    await typist.events(job, until="status", text="running")
    await typist.type(type="hologram")
    await typist.type(type="resize", cols=-4, rows=1)
    await typist.type(type="keys", data="fine\r")
    events = await typist.events(job)
    assert text_of(events).endswith("got fine\r\n")
    assert "not understood" in str([event for event in events if event["type"] == "notice"])


@needs_node
async def test_npm_init_writes_a_package_file(typist: Typist) -> None:
    end, output = await typist.run("npm init -y")
    assert end["code"] == 0, output
    assert b'"name"' in (await typist.files())["package.json"]


async def test_history_and_state_are_kept(typist: Typist, client: Client) -> None:
    await typist.run("true")
    await typist.run("false")
    terminal = await typist.terminals.get(typist.project, typist.terminal)
    assert [line.command for line in terminal.typed] == ["true", "false"]
    assert (await typist.terminals.state(typist.project, typist.terminal)).last_exit == 1
    assert await typist.commands.active(terminal) == []

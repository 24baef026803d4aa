"""The page, its service and a worker together, driven through a real browser."""

import asyncio
import shutil
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser

from apps.terminal.tests.e2e.terminal_page import TerminalPage, Theme
from tidegate.testing.up import RunningUp

# One browser serves all tests, so they share its event loop.
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Below this width, in pixels, the files are behind a button.
NARROW = 720
COUNT = "for i in $(seq 60); do echo line $i; sleep 0.03; done"


def counted(screen: list[str], word: str) -> list[int]:
    """The numbers of the lines `word N` in sight."""
    return [int(line.split()[1]) for line in screen if line.startswith(f"{word} ")]


def is_whole(numbers: list[int], *, last: int) -> bool:
    """Whether the numbers end with `last` and none is missing or there twice."""
    return numbers == list(range(last - len(numbers) + 1, last + 1))


async def test_a_command_runs_and_what_it_wrote_appears_in_the_tree(terminal: TerminalPage) -> None:
    await terminal.run("echo '# Notes' | tee README.md", shows="# Notes")
    await terminal.page.click(".tree-row:has-text('README.md')")
    await terminal.page.wait_for_selector(".cm-content:has-text('# Notes')")


@pytest.mark.node
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
async def test_npm_init_makes_a_package(terminal: TerminalPage) -> None:
    await terminal.run("npm init -y", shows="Wrote to")
    await terminal.page.wait_for_selector(".tree-row:has-text('package.json')")


async def test_what_is_typed_reaches_the_program_that_asks(terminal: TerminalPage) -> None:
    await terminal.type_command("read -rp 'name? ' name; echo hello $name")
    await terminal.until_shown("name?")
    await terminal.page.keyboard.type("Ada\n")
    await terminal.until_shown("hello Ada")
    await terminal.until_idle()


async def test_a_reload_in_the_middle_of_output_shows_each_line_once(
    terminal: TerminalPage,
) -> None:
    await terminal.type_command(COUNT)
    await terminal.until_shown("line 20")
    await terminal.page.reload()
    await terminal.until_shown("line 60")
    await terminal.until_idle()
    assert is_whole(counted(await terminal.screen(), "line"), last=60)


async def test_output_resumes_where_it_was_after_control_is_killed(
    up: RunningUp, terminal: TerminalPage
) -> None:
    await terminal.type_command(COUNT)
    await terminal.until_shown("line 10")
    up.process_of("tidegate control").send_signal(signal.SIGKILL)
    await terminal.until_shown("line 60")
    await terminal.until_idle()
    assert is_whole(counted(await terminal.screen(), "line"), last=60)
    assert await terminal.page.inner_text(".connection") == "Live"


async def test_what_is_typed_while_the_network_is_away_arrives_once(
    terminal: TerminalPage,
) -> None:
    await terminal.type_command("stty -echo; echo up; while read -r word; do echo got $word; done")
    await terminal.until_shown("up")
    await terminal.page.context.set_offline(offline=True)
    # A socket in use outlives the network for a moment; without one nothing reaches the service.
    await terminal.page.evaluate("window.dispatchEvent(new Event('offline'))")
    await terminal.page.wait_for_selector(".connection-reconnecting")
    await terminal.page.keyboard.type("one\ntwo\n")
    await terminal.page.wait_for_selector(".input-notice:has-text('8 characters')")
    await terminal.page.context.set_offline(offline=False)
    await terminal.until_shown("got two")
    await terminal.page.keyboard.press("Control+d")
    await terminal.until_idle()
    got = [line for line in await terminal.screen() if line.startswith("got ")]
    assert got == ["got one", "got two"]


async def test_a_resize_of_the_window_reaches_the_program(terminal: TerminalPage) -> None:
    await terminal.type_command("trap 'echo now $(stty size)' WINCH; while :; do sleep 0.1; done")
    await terminal.until_running()
    await asyncio.sleep(0.3)  # bash needs a moment to set its trap, and says nothing when it has
    await terminal.page.set_viewport_size({"width": 900, "height": 500})
    await terminal.until_shown("now ")
    await terminal.page.keyboard.press("Control+c")
    await terminal.until_idle()


async def test_kill_ends_what_runs_and_the_line_tells_how(terminal: TerminalPage) -> None:
    await terminal.type_command("trap '' INT TERM; echo up; sleep 300 & sleep 300")
    await terminal.until_shown("up")
    await terminal.page.click("button:has-text('Kill')")
    await terminal.until_idle()
    await terminal.page.wait_for_selector(".prompt-ending")


async def test_the_line_completes_remembers_and_searches(terminal: TerminalPage) -> None:
    await terminal.run("mkdir -p source && touch source/one source/two; echo made", shows="made")
    await terminal.page.wait_for_selector(".tree-row:has-text('source')")
    await terminal.line.click()
    keyboard = terminal.page.keyboard
    await keyboard.type("ls so")
    await keyboard.press("Tab")
    await terminal.until(lambda: _is_typed(terminal, "ls source/"), "the folder completed")
    await keyboard.press("Tab")
    await terminal.page.wait_for_selector("[role=option]:has-text('source/two')")
    await keyboard.press("ArrowDown")
    await keyboard.press("Enter")
    assert await terminal.line.input_value() == "ls source/two "
    await keyboard.press("Control+c")
    await keyboard.press("Control+r")
    await keyboard.type("touch")
    await keyboard.press("Enter")
    assert (await terminal.line.input_value()).startswith("mkdir -p source")


async def _is_typed(terminal: TerminalPage, text: str) -> bool:
    return await terminal.line.input_value() == text


async def test_a_save_over_a_newer_version_is_refused_and_both_can_be_compared(
    terminal: TerminalPage,
) -> None:
    await terminal.run("echo first > notes.txt; echo ok", shows="ok")
    await terminal.page.click(".tree-row:has-text('notes.txt')")
    await terminal.page.click(".cm-content:has-text('first')")
    await terminal.page.keyboard.press("Control+Home")
    await terminal.page.keyboard.type("mine ")
    await terminal.run("echo theirs > notes.txt; echo again", shows="again")
    await terminal.page.wait_for_selector(".divergence")
    await terminal.page.click("button:has-text('Compare')")
    await terminal.page.wait_for_selector(".cm-deletedChunk:has-text('theirs')")
    await terminal.page.click("button:has-text('Save this')")
    await terminal.page.wait_for_selector(".divergence", state="detached")
    await terminal.run("cat notes.txt", shows="mine first")


async def test_files_are_uploaded_renamed_deleted_and_brought_back(
    terminal: TerminalPage, tmp_path: Path
) -> None:
    upload = tmp_path / "data.csv"
    upload.write_text("a,b\n")
    page = terminal.page
    await page.set_input_files("input[aria-label='Files to upload']", upload)
    row = ".tree-row:has-text('data.csv')"
    await page.click(row, button="right")
    await page.click("[role=menuitem]:has-text('Rename')")
    await page.fill("dialog input", "tables/data.csv")
    await page.keyboard.press("Enter")
    await page.click(".tree-row:has-text('data.csv')", button="right")
    await page.click("[role=menuitem]:has-text('Delete')")
    await page.wait_for_selector(row, state="detached")
    await page.locator(".toast:has-text('Deleted')").get_by_text("Undo").click()
    await page.wait_for_selector(row)
    await terminal.run("cat tables/data.csv", shows="a,b")


async def test_a_project_is_deleted_only_by_its_typed_name(terminal: TerminalPage) -> None:
    page = terminal.page
    await page.click("[aria-label='Actions for trial']")
    await page.click("[role=menuitem]:has-text('Delete project')")
    confirm = page.locator("dialog button:has-text('Delete project')")
    await page.keyboard.type("tria")
    assert await confirm.is_disabled()
    await page.keyboard.type("l")
    address = page.url
    await confirm.click()
    await page.wait_for_selector("h1:has-text('Projects')")
    await page.goto(address)
    await page.wait_for_selector("h2:has-text('There is no such project')")


@pytest.mark.parametrize(("width", "theme"), [(360, "light"), (900, "dark"), (1440, "light")])
async def test_every_view_fits_and_is_usable_with_assistance(
    browser: Browser, up: RunningUp, width: int, theme: Theme
) -> None:
    async with TerminalPage(browser, up.url, width=width, theme=theme) as terminal:
        await terminal.open()
        await terminal.page.wait_for_selector("h1:has-text('Projects')")
        await _check(terminal)
        await terminal.make_project("views")
        await terminal.run("echo text > a.txt; ls --color; false", shows="✗ exit 1")
        await _check(terminal)
        await terminal.type_command("sleep 60")
        await terminal.until_running()
        await _check(terminal)
        if width < NARROW:
            await terminal.page.click("[aria-label=Files]")
        await terminal.page.click(".tree-row:has-text('a.txt')")
        await terminal.page.wait_for_selector(".cm-content")
        await _check(terminal)
        await terminal.page.keyboard.press("F1")
        await terminal.page.wait_for_selector("dialog")
        await _check(terminal)
        assert terminal.complaints == []


async def _check(terminal: TerminalPage) -> None:
    assert await terminal.violations() == []
    assert await _overflow(terminal) == 0


async def _overflow(terminal: TerminalPage) -> int:
    """Pixels that the page is wider than its window."""
    return int(await terminal.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

"""What the environment may say, and what of it reaches a worker."""

from pathlib import Path

import pytest

from apps.terminal.settings import TerminalSettings
from tidegate.errors import SettingsError


def test_the_defaults_are_those_of_the_original() -> None:
    settings = TerminalSettings.load({})
    assert (settings.task_cpu, settings.task_memory, settings.slots) == (512, 1024, 5)
    assert (settings.min_tasks, settings.max_tasks, settings.messages_per_task) == (1, 10, 5)
    assert (settings.auth, settings.timeout) == ("owner", 600.0)


def test_the_names_of_the_original_are_understood_and_ours_win() -> None:
    settings = TerminalSettings.load(
        {"ECS_MIN_TASKS": "0", "ECS_MAX_TASKS": "20", "TERMINAL_MAX_TASKS": "30"}
    )
    assert (settings.min_tasks, settings.max_tasks) == (0, 30)


@pytest.mark.parametrize(
    "environ",
    [
        {"TERMINAL_SLOTS": "many"},
        {"TERMINAL_SLOTS": "0"},
        {"TERMINAL_AUTH": "none"},
        {"TERMINAL_AUTH": "jwt", "TERMINAL_ISSUER": "https://issuer.example"},
        {"TERMINAL_AUTH": "oidc"},
        {"TERMINAL_ALGORITHMS": "HS256"},
        {"TERMINAL_ALGORITHMS": "none"},
        {"TERMINAL_ALGORITHMS": ","},
    ],
)
def test_what_cannot_be_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        TerminalSettings.load(environ)


def test_a_worker_is_told_what_concerns_it_and_no_secret() -> None:
    given = {
        "TERMINAL_AUTH": "oidc",
        "TERMINAL_ISSUER": "https://issuer.example",
        "TERMINAL_OIDC_CLIENT_ID": "terminal",
        "TERMINAL_OIDC_CLIENT_SECRET": "hush",
        "TERMINAL_TIMEOUT": "30",
        "TERMINAL_WORKSPACES": "/srv/workspaces",
    }
    settings = TerminalSettings.load(given)
    told = settings.of_workers
    assert told == {"TERMINAL_TIMEOUT": "30.0", "TERMINAL_WORKSPACES": "/srv/workspaces"}
    at_the_worker = TerminalSettings.load(told)
    assert (at_the_worker.timeout, at_the_worker.workspaces) == (30.0, Path("/srv/workspaces"))
    assert "hush" not in repr(settings)

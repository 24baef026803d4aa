"""A real `tidegate up` in a process of its own: for tests, and for killing at a chosen moment."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import psutil

_START_TIMEOUT: Final = 30.0

Told = dict[str, Any]


class RunningUp:
    """`tidegate up APP`, started and ready.

    A context manager; leaving it ends whatever is left.

    Args:
        target: The app.
        cwd: Where it is found.
        data: Its data folder.
        arguments: More of the command line.
        env: Added to the environment.

    Attributes:
        told: What it has said so far, each a line of `--json`.
    """

    def __init__(
        self,
        target: str,
        *,
        cwd: Path,
        data: Path,
        arguments: Sequence[str] = (),
        env: dict[str, str] | None = None,
    ) -> None:
        self.data = data
        self.told: list[Told] = []
        self._cwd = cwd
        self._env = {**os.environ, **(env or {})}
        self._news = threading.Condition()
        self._has_ended = False
        argv = ["up", target, "--port", "0", "--data", str(data), "--json", *arguments]
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "tidegate", *argv],
            cwd=cwd,
            env=self._env,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        if self._process.stdout is None:
            raise AssertionError("expected a pipe")
        self._output = self._process.stdout
        self._reader = threading.Thread(target=self._read, name="up-output")
        self._reader.start()

    def __enter__(self) -> Self:
        try:
            self.until(lambda told: told["event"] == "open")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._reader.join()
        self._output.close()

    @property
    def pid(self) -> int:
        """The process id of `up` itself."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Where the app is reached."""
        return str(self.until(lambda told: told["event"] == "open")["url"])

    def until(
        self, wanted: Callable[[Told], bool], *, timeout: float = _START_TIMEOUT, since: int = 0
    ) -> Told:
        """The first thing told, after the first `since`, that is wanted; waits for it.

        Raises:
            TimeoutError: It was not told in time, or `up` ended without.
        """

        def found() -> Told | None:
            return next((each for each in self.told[since:] if wanted(each)), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or self._has_ended, timeout)
            if (told := found()) is None:
                raise TimeoutError(f"expected it to be told, found only {self.told}")
            return told

    def run(self, *arguments: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        """The outcome of another `tidegate` command line on the same data folder."""
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "tidegate", *arguments, "--data", str(self.data)],
            cwd=self._cwd,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def processes(self) -> list[psutil.Process]:
        """It and all it has started, as far as they are alive."""
        try:
            up = psutil.Process(self.pid)
            return [up, *up.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def process_of(self, word: str) -> psutil.Process:
        """The process below a reaper whose command line holds `word`."""
        for process in self.processes()[1:]:
            try:
                line = process.cmdline()
            except psutil.NoSuchProcess:  # ended since it was listed
                continue
            if word in " ".join(line) and "-I" not in line[:2]:
                return process
        raise LookupError(f"expected a process with {word!r} in its command line, found none")

    def interrupt(self) -> None:
        """What ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL, for it alone."""
        self._process.kill()

    def wait(self, timeout: float = _START_TIMEOUT) -> int:
        """Its exit status, once it has ended."""
        return self._process.wait(timeout)

    def left_behind(self, before: Sequence[psutil.Process], *, within: float) -> list[str]:
        """Which of the processes there were `before` are still there after `within` seconds."""
        _, alive = psutil.wait_procs(list(before), timeout=within)
        return [" ".join(process.cmdline()) for process in alive]

    def _read(self) -> None:
        for line in self._output:
            with self._news:
                self.told.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()

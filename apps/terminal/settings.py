"""What the terminal is told by its environment; every name and default is in `README.md`."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import msgspec
from msgspec import Meta, Struct

from apps.terminal.sandbox.limits import MIB, Limits
from apps.terminal.workspace.limits import ProjectLimits
from tidegate.errors import SettingsError

PREFIX: Final = "TERMINAL_"

# Names that deployments of the original used; ours win where both are set.
SEED_NAMES: Final = {
    "ECS_MESSAGES_PER_TASK": "messages_per_task",
    "ECS_MIN_TASKS": "min_tasks",
    "ECS_MAX_TASKS": "max_tasks",
    "ECS_CPU": "task_cpu",
    "ECS_MEMORY": "task_memory",
}

# A task gets no environment but its declared one; these are what workers are told.
WORKERS_TOO: Final = (
    "slots",
    "task_cpu",
    "task_memory",
    "timeout",
    "command_memory_mb",
    "command_cpu_seconds",
    "command_processes",
    "command_open_files",
    "command_file_mb",
    "command_disk_mb",
    "command_output_mb",
    "drain",
    "project_files",
    "project_mb",
    "project_file_mb",
    "workspaces",
)

SECRETS: Final = ("oidc_client_secret",)

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class TerminalSettings(Struct, frozen=True, kw_only=True):
    """The terminal's own settings; each is `TERMINAL_` and its name in capitals.

    Attributes:
        auth: `owner`: one person on a laptop; `oidc`: sign-in here; `jwt`: tokens from elsewhere.
        issuer: Whose tokens are believed: the `iss` claim, and where its metadata is found.
        audience: Whom tokens must be for; with `oidc` the client id unless set.
        jwks_url: The issuer's keys; empty where its metadata says.
        algorithms: Signatures accepted, separated by commas; never one with a shared key.
        clock_skew: Seconds by which the issuer's clock may differ.
        oidc_client_id: What the issuer knows this app as.
        oidc_client_secret: Its secret; empty for a public client. Never shown.
        oidc_scopes: What sign-in asks for.
        session_hours: How long a sign-in lasts.
        messages_per_task: Commands that one task is expected to take care of.
        min_tasks: Tasks kept although nothing runs.
        max_tasks: Tasks never exceeded.
        slots: Commands one task runs at once.
        task_cpu: vCPU units of a task, 1024 to one vCPU.
        task_memory: MiB of a task.
        timeout: Seconds a command may run.
        command_memory_mb: Memory of all processes of a command.
        command_cpu_seconds: Processor seconds of each process.
        command_processes: Processes and threads of a command.
        command_open_files: Descriptors of each process.
        command_file_mb: Size of each file a command writes.
        command_disk_mb: Space of a workspace and its temporary files.
        command_output_mb: Output of a command that is passed on.
        drain: Seconds that commands have to end by themselves when their task is stopped.
        max_depth: Commands that may wait or run in all; 0 for no bound.
        project_files: Files of a project.
        project_mb: Bytes of a project's files together.
        project_file_mb: Bytes of one file of a project.
        upload_mb: Bytes of one upload or archive.
        keep_output_mb: Bytes of a terminal's output that are kept.
        keep_output_days: Days after which a terminal that is not used forgets its output.
        workspaces: Where a worker keeps workspaces. As root, a folder every user can enter.
        web_dist: The built page.
    """

    auth: Literal["owner", "oidc", "jwt"] = "owner"
    issuer: str = ""
    audience: str = ""
    jwks_url: str = ""
    algorithms: str = "RS256,ES256"
    clock_skew: Annotated[float, Meta(ge=0, le=600)] = 60.0
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_scopes: str = "openid profile email"
    session_hours: Seconds = 12.0

    messages_per_task: Positive = 5
    min_tasks: Count = 1
    max_tasks: Positive = 10
    slots: Positive = 5
    task_cpu: Positive = 512
    task_memory: Positive = 1024

    timeout: Seconds = 600.0
    command_memory_mb: Positive = 512
    command_cpu_seconds: Positive = 600
    command_processes: Positive = 256
    command_open_files: Positive = 4096
    command_file_mb: Positive = 1024
    command_disk_mb: Positive = 2048
    command_output_mb: Positive = 8
    drain: Annotated[float, Meta(ge=8, le=110)] = 20.0
    max_depth: Count = 1000

    project_files: Positive = 20_000
    project_mb: Positive = 500
    project_file_mb: Positive = 50
    upload_mb: Positive = 500
    keep_output_mb: Positive = 64
    keep_output_days: Positive = 30
    workspaces: Path = Path("/var/tmp") / f"tidegate-{os.geteuid()}"  # noqa: S108 - locked down
    web_dist: Path = Path(__file__).parent / "web" / "dist"

    def __repr__(self) -> str:
        return f"TerminalSettings(auth={self.auth!r}, issuer={self.issuer!r})"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Settings from the environment.

        Raises:
            SettingsError: A value cannot be, or one that the sign-in needs is missing.
        """
        given = os.environ if environ is None else environ
        values = {field: given[name] for name, field in _names(cls) if given.get(name)}
        try:
            settings = msgspec.convert(values, cls, strict=False, dec_hook=_converted)
        except msgspec.ValidationError as error:
            raise SettingsError(f"settings of the terminal: {error}") from error
        settings.check()
        return settings

    def check(self) -> None:
        """Raise SettingsError where the sign-in lacks something."""
        needed: dict[str, tuple[str, ...]] = {
            "owner": (),
            "oidc": ("issuer", "oidc_client_id"),
            "jwt": ("issuer", "audience"),
        }
        missing = [name for name in needed[self.auth] if not getattr(self, name)]
        if missing:
            names = ", ".join(PREFIX + name.upper() for name in missing)
            raise SettingsError(f"expected {names} with {PREFIX}AUTH={self.auth}, found none")
        shared = [name for name in self.allowed_algorithms if name.startswith(("HS", "none"))]
        if shared or not self.allowed_algorithms:
            raise SettingsError(
                f"expected {PREFIX}ALGORITHMS to name signatures with a public key, such as RS256, "
                f"found {self.algorithms!r}"
            )

    @property
    def of_workers(self) -> dict[str, str]:
        """The variables that tell a worker what differs from the defaults.

        Nothing of the sign-in is among it: commands of strangers run beside a worker.
        """
        return self._variables(WORKERS_TOO)

    @property
    def of_web(self) -> dict[str, str]:
        """The variables that tell the web service the same; secrets travel by another way."""
        return self._variables(name for name in self.__struct_fields__ if name not in SECRETS)

    def _variables(self, names: Iterable[str]) -> dict[str, str]:
        standard = type(self)()
        return {
            PREFIX + name.upper(): str(getattr(self, name))
            for name in names
            if getattr(self, name) != getattr(standard, name)
        }

    @property
    def allowed_algorithms(self) -> list[str]:
        """Signatures accepted."""
        return [name.strip() for name in self.algorithms.split(",") if name.strip()]

    @property
    def limits(self) -> Limits:
        """What one command may use."""
        return Limits(
            timeout=self.timeout,
            cpu_seconds=self.command_cpu_seconds,
            memory_bytes=self.command_memory_mb * MIB,
            processes=self.command_processes,
            open_files=self.command_open_files,
            file_bytes=self.command_file_mb * MIB,
            disk_bytes=self.command_disk_mb * MIB,
            output_bytes=self.command_output_mb * MIB,
        )

    @property
    def project_limits(self) -> ProjectLimits:
        """How large a project may be."""
        return ProjectLimits(
            file_bytes=self.project_file_mb * MIB,
            total_bytes=self.project_mb * MIB,
            files=self.project_files,
        )


def _converted(type_: type[object], text: str) -> object:
    """A folder, which msgspec does not know."""
    return type_(text)  # type: ignore[call-arg]


def _names(cls: type[Struct]) -> list[tuple[str, str]]:
    """Pairs of variable and field, the ones that win last."""
    own = [(PREFIX + field.upper(), field) for field in cls.__struct_fields__]
    return [*SEED_NAMES.items(), *own]

"""Logs: an event name with fields. JSON lines for machines, colours for a terminal.

Secrets are never logged: fields named like one are masked, and so are passwords inside URLs.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

MASK: Final = "***"
_SECRET_FIELD: Final = re.compile(
    r"(secret|password|passwd|token|authorization|cookie|credential|api_?key)", re.IGNORECASE
)
_URL_PASSWORD: Final = re.compile(r"(?<=://)([^/@\s:]*):([^@/\s]+)@")

Fields = MutableMapping[str, Any]


class Logger:
    """A logger that is made when the first line is logged.

    structlog takes a tenth of a second to import, which a script that only enqueues need not pay.
    Its methods are structlog's: `log.warning("lease_lost", job=job.id, late_s=4.2)`.

    In a process that configures structlog nowhere, a script that uses the library, warnings and
    worse go to standard error, as they do with `logging`; standard output stays the script's own.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        import structlog  # noqa: PLC0415 - see above

        if structlog.is_configured():
            return getattr(structlog.get_logger(source=self._name), method)
        return getattr(_unconfigured().bind(source=self._name), method)


def configure(*, level: str = "info", stream: TextIO | None = None, **fields: str) -> None:
    """Send the logs of this process to `stream` (standard error), each with `fields`.

    Libraries that use `logging` are shown from warnings on.
    """
    import structlog  # noqa: PLC0415 - see Logger

    out = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(
        stream=out, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s"
    )
    structlog.configure(
        processors=_processors(out),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**{name: text for name, text in fields.items() if text})


def _unconfigured() -> Any:
    """What logs where nobody has said how; standard error is looked up each time, as tests do."""
    import structlog  # noqa: PLC0415 - see Logger

    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=_processors(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


def _processors(out: TextIO) -> list[Any]:
    import structlog  # noqa: PLC0415 - see Logger

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        masked,
        *_renderers(out),
    ]


def masked(_logger: object, _method: str, event: Fields) -> Fields:
    """The event with everything that looks like a secret replaced by `***`."""
    return {name: _masked_value(name, value) for name, value in event.items()}


def _masked_value(name: str, value: object) -> object:
    if value and _SECRET_FIELD.search(name):
        return MASK
    if isinstance(value, str) and "://" in value:
        return _URL_PASSWORD.sub(rf"\1:{MASK}@", value)
    return value


def _renderers(out: TextIO) -> list[Any]:
    import structlog  # noqa: PLC0415 - see Logger

    if out.isatty():
        return [structlog.dev.ConsoleRenderer()]
    # Without locals: they would carry settings, and so secrets, into the log.
    traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer()]

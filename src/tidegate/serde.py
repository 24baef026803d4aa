"""How payloads and results become JSON and come back, checked.

JSON because a message has to be readable by producers in any language; msgspec because it checks
the type while it decodes.
"""

import inspect
from collections.abc import Callable
from typing import Any, Final, get_type_hints

import msgspec

from tidegate.errors import DeclarationError, PayloadError

INLINE_BYTES: Final = 64 * 1024
LARGEST_BYTES: Final = 8 * 1024 * 1024

_encoder: Final = msgspec.json.Encoder()


def encoded(value: object) -> bytes:
    """`value` as JSON.

    Raises:
        PayloadError: It holds something JSON has no form for.
    """
    try:
        return _encoder.encode(value)
    except (TypeError, msgspec.MsgspecError) as error:
        raise PayloadError(
            f"expected a value that JSON can hold (dataclass, msgspec.Struct, dict, list, str, "
            f"number, bool, None), found {type(value).__name__}: {error}"
        ) from error


class PayloadType:
    """The payload of one handler: its fields, or the one value it takes.

    A handler with one parameter takes that value; with several, an object with those fields; with
    none, `null`.
    """

    def __init__(
        self, name: str, parameters: list[inspect.Parameter], hints: dict[str, Any]
    ) -> None:
        self.name = name
        self._names = tuple(parameter.name for parameter in parameters)
        self._defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        self._single = len(parameters) == 1
        self.type = self._built(parameters, hints)
        self._decoder = msgspec.json.Decoder(self.type)

    def _built(self, parameters: list[inspect.Parameter], hints: dict[str, Any]) -> Any:
        if not parameters:
            return None
        if self._single:
            return hints.get(parameters[0].name, Any)
        fields = [
            (p.name, hints.get(p.name, Any))
            if p.default is inspect.Parameter.empty
            else (p.name, hints.get(p.name, Any), p.default)
            for p in parameters
        ]
        return msgspec.defstruct(f"{self.name}_payload", fields, forbid_unknown_fields=True)

    def schema(self) -> dict[str, object]:
        """The JSON schema of the payload."""
        return msgspec.json.schema(self.type)

    def pack(self, args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
        """The payload of a call with these arguments, as JSON checked against the type.

        Raises:
            PayloadError: The arguments are not those of the handler, or of another type.
        """
        payload = encoded(self._value(args, kwargs))
        self.check(payload)
        return payload

    def _value(self, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        named = dict(zip(self._names, args, strict=False))
        if len(args) > len(self._names) or named.keys() & kwargs.keys():
            raise PayloadError(
                f"job {self.name!r} takes ({', '.join(self._names)}), found {len(args)} positional "
                f"and {sorted(kwargs)} named arguments"
            )
        named.update(kwargs)
        if not self._single:
            return named if self._names else None
        named = named or self._defaults
        if set(named) != set(self._names):
            raise PayloadError(f"job {self.name!r} takes {self._names[0]!r}, found {sorted(named)}")
        return named[self._names[0]]

    def check(self, payload: bytes) -> None:
        """Raise PayloadError where `payload` is not JSON of this type, or too large."""
        if len(payload) > LARGEST_BYTES:
            raise PayloadError(
                f"expected a payload of at most {LARGEST_BYTES} bytes for job {self.name!r}, found "
                f"{len(payload)}; put the data into objects and pass their key"
            )
        self._decode(payload)

    def unpack(self, payload: bytes) -> tuple[object, ...]:
        """The handler's arguments.

        Raises:
            PayloadError: `payload` is not JSON of this type.
        """
        value = self._decode(payload)
        if self._single:
            return (value,)
        return tuple(getattr(value, name) for name in self._names)

    def _decode(self, payload: bytes) -> Any:
        try:
            return self._decoder.decode(payload)
        except msgspec.MsgspecError as error:
            raise PayloadError(f"payload of job {self.name!r}: {error}") from error


def payload_type(
    name: str, function: Callable[..., object], context: type
) -> tuple[bool, PayloadType]:
    """Whether `function` takes the job context first, and the type of the rest.

    Raises:
        DeclarationError: A parameter is variadic, or its type has no JSON form.
    """
    hints = _hints(name, function)
    parameters = list(inspect.signature(function).parameters.values())
    takes_context = bool(parameters) and hints.get(parameters[0].name) is context
    rest = parameters[1:] if takes_context else parameters
    for parameter in rest:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DeclarationError(
                f"job {name!r}: expected named parameters, found *{parameter.name}"
            )
    try:
        return takes_context, PayloadType(name, rest, hints)
    except TypeError as error:
        raise DeclarationError(f"job {name!r}: {error}") from error


def _hints(name: str, function: Callable[..., object]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except NameError as error:
        raise DeclarationError(
            f"job {name!r}: expected annotations that can be resolved, found {error}; "
            "import the type outside TYPE_CHECKING"
        ) from error

"""How a handler's parameters become a payload, and how it is called with one."""

import pytest

from tidegate import App, JobContext
from tidegate.errors import DeclarationError, PayloadError
from tidegate.handler import Job


def declared(function: object, **options: object) -> Job[..., object]:
    queue = App("test").queue("q")
    return queue.job(**options)(function)  # type: ignore[call-overload, no-any-return]


def called(job: Job[..., object], payload: bytes) -> object:
    return job.call(*job.payload.unpack(payload))


def test_one_parameter_is_the_payload_itself() -> None:
    job = declared(lambda: None)
    assert job.payload.pack((), {}) == b"null"

    def double(number: int) -> int:
        return 2 * number

    job = declared(double)
    assert job.payload.pack((4,), {}) == b"4"
    assert called(job, b"4") == 8


def test_several_parameters_are_an_object_with_defaults() -> None:
    def place(name: str, row: int = 1, *, aisle: bool = False) -> tuple[str, int, bool]:
        return (name, row, aisle)

    job = declared(place)
    assert job.payload.pack(("Ada",), {"aisle": True}) == b'{"name":"Ada","aisle":true}'
    assert called(job, b'{"name":"Ada","aisle":true}') == ("Ada", 1, True)


def test_a_single_parameter_may_have_a_default() -> None:
    def wait(*, seconds: float = 1.5) -> float:
        return seconds

    job = declared(wait)
    assert job.payload.pack((), {}) == b"1.5"
    assert called(job, b"2") == 2.0


def test_the_context_is_no_part_of_the_payload() -> None:
    async def work(job: JobContext, number: int) -> None: ...

    job = declared(work)
    assert (job.takes_context, job.payload.pack((3,), {})) == (True, b"3")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"first": 2}), ((1, 2), {"third": 3}), (("one", 2), {})],
)
def test_arguments_that_do_not_fit_are_refused(
    args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    def add(first: int, second: int) -> int:
        return first + second

    with pytest.raises(PayloadError):
        declared(add).payload.pack(args, kwargs)


def test_an_isolated_handler_is_a_plain_function_at_the_top_of_a_module() -> None:
    def nested() -> None: ...

    with pytest.raises(DeclarationError, match="found a nested function"):
        declared(nested, isolate=True)


def test_a_wrong_option_is_refused_where_it_is_given() -> None:
    job = declared(lambda: None)
    with pytest.raises(DeclarationError, match="unknown field"):
        job.using(prioritee="high")
    with pytest.raises(DeclarationError, match="Expected `float`"):
        job.using(delay="soon")

"""What an app may declare, and how a wrong declaration is refused."""

import json
from typing import Any

import pytest

from tidegate import App, JobContext, QueueDepth, Retry, Size
from tidegate.errors import DeclarationError, PayloadError, TidegateError, UnknownQueueError


@pytest.fixture
def app() -> App:
    return App("shop")


def test_a_queue_brings_a_worker_of_its_own_name(app: App) -> None:
    app.queue("orders", slots=4, scale=QueueDepth(messages_per_task=2, max=3))

    worker = app.spec.worker("orders")

    assert worker is not None
    assert (worker.queues, worker.slots, worker.scale.max) == (("orders",), 4, 3)


def test_a_worker_may_serve_several_queues(app: App) -> None:
    mails = app.queue("mails", worker=False)
    calls = app.queue("calls", worker=False)

    app.worker("outbound", queues=[mails, calls])

    assert [worker.queues for worker in app.spec.workers] == [("mails", "calls")]


def test_a_job_is_named_after_app_and_function(app: App) -> None:
    @app.queue("orders").job
    def ship(order: int) -> None: ...

    assert ship.name == "shop.ship"
    assert app.find_job("shop.ship") is ship


def test_a_declared_job_still_runs_as_a_plain_function(app: App) -> None:
    @app.queue("sums").job
    def add(left: int, right: int = 1) -> int:
        return left + right

    assert add(2, right=3) == 5


def test_the_payload_is_an_object_of_the_handlers_parameters(app: App) -> None:
    @app.queue("orders").job
    async def ship(ctx: JobContext, order: int, express: bool = False) -> None: ...  # noqa: FBT001, FBT002

    assert json.loads(ship.payload.pack((7,), {})) == {"order": 7}
    assert ship.payload.unpack(b'{"order":7}') == (7, False)


def test_a_single_parameter_is_the_payload_itself(app: App) -> None:
    @app.queue("orders").job
    async def ship(ctx: JobContext, order: dict[str, int]) -> None: ...

    assert ship.payload.pack(({"id": 7},), {}) == b'{"id":7}'


def test_a_payload_of_another_type_is_refused_with_the_place(app: App) -> None:
    @app.queue("orders").job
    def ship(order: int) -> None: ...

    with pytest.raises(PayloadError, match=r"Expected `int`, got `str`"):
        ship.payload.pack(("seven",), {})


def test_a_payload_that_json_cannot_hold_is_refused(app: App) -> None:
    @app.queue("orders").job
    def ship(order: Any) -> None: ...

    with pytest.raises(PayloadError, match="JSON can hold"):
        ship.payload.pack((object(),), {})


def test_a_payload_past_the_limit_is_refused_with_advice(app: App) -> None:
    @app.queue("texts").job
    def read(text: str) -> None: ...

    with pytest.raises(PayloadError, match="put the data into objects"):
        read.payload.pack(("x" * (9 * 1024 * 1024),), {})


def test_a_size_that_fargate_does_not_offer_is_refused() -> None:
    with pytest.raises(DeclarationError, match="512, 1024, 2048 MiB, found 4096"):
        Size(256, 4096)


def test_bounds_that_cross_are_refused() -> None:
    with pytest.raises(DeclarationError, match="min=5, max=2"):
        QueueDepth(min=5, max=2)


def test_a_name_taken_twice_is_refused(app: App) -> None:
    app.queue("orders")
    with pytest.raises(DeclarationError, match="declared already"):
        app.queue("orders")


@pytest.mark.parametrize("name", ["", "Orders", "or_ders", "1st", "a b", "-x"])
def test_a_name_that_cannot_be_a_resource_name_is_refused(app: App, name: str) -> None:
    with pytest.raises(DeclarationError, match="lower-case letters"):
        app.queue(name)


def test_a_drain_longer_than_the_stop_timeout_is_refused(app: App) -> None:
    with pytest.raises(DeclarationError, match="raise stop_timeout or lower drain"):
        app.queue("orders", drain=60, stop_timeout=30)


def test_an_isolated_handler_has_to_be_importable(app: App) -> None:
    queue = app.queue("orders")
    with pytest.raises(DeclarationError, match="at the top of a module"):

        @queue.job(isolate=True)
        def ship(order: int) -> None: ...


def test_an_end_event_needs_a_type(app: App) -> None:
    queue = app.queue("orders")
    with pytest.raises(DeclarationError, match="'type'"):

        @queue.job(end={"code": None})
        def ship(order: int) -> None: ...


def test_an_unknown_option_is_refused(app: App) -> None:
    @app.queue("orders").job
    def ship(order: int) -> None: ...

    with pytest.raises(DeclarationError, match="colour"):
        ship.using(colour="red")


def test_an_unknown_priority_names_the_known_ones(app: App) -> None:
    queue = app.queue("orders", priorities=("urgent", "later"))
    with pytest.raises(DeclarationError, match="urgent, later"):
        queue.lane("now")


def test_a_schedule_checks_its_payload_when_declared(app: App) -> None:
    @app.queue("reports").job
    def report(day: str) -> None: ...

    with pytest.raises(PayloadError):
        app.schedule("daily", "0 6 * * *", report, 5)


def test_included_apps_keep_job_names_and_prefix_their_queues(app: App) -> None:
    other = App("mailer")
    queue = other.queue("mails")

    @queue.job
    def send(to: str) -> None: ...

    app.include(other, prefix="mail")

    assert app.spec.queue("mail.mails") is not None
    assert app.find_job("mailer.send").queue.name == "mail.mails"
    worker = app.spec.worker("mail.mails")
    assert worker is not None
    assert worker.queues == ("mail.mails",)


def test_a_worker_for_another_apps_queue_is_refused(app: App) -> None:
    stranger = App("other").queue("things")
    with pytest.raises(UnknownQueueError, match="declared queues: none"):
        app.worker("w", queues=[stranger])


def test_the_spec_prints_as_json(app: App) -> None:
    @app.queue("orders").job(retry=Retry(attempts=2), end={"type": "exit", "code": None})
    def ship(order: int) -> None: ...

    app.service("web", "shop.web:asgi", paths=["/"])
    app.container("nats", command=["nats-server"], port=4222)

    described = json.loads(app.describe())

    assert described["queues"][0]["jobs"][0]["policy"]["attempts"] == 2
    assert described["services"][0]["asgi"] == "shop.web:asgi"
    assert described["containers"][0]["command"] == ["nats-server"]


def test_enqueuing_without_a_connection_says_how_to_open_one(app: App) -> None:
    with pytest.raises(TidegateError, match=r"async with Client.open"):
        _ = app.client

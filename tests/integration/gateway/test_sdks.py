"""The two unmodified SDKs against a gateway over a real Valkey: both see the same."""

import asyncio
from typing import Any

import pytest


async def test_events_reach_a_subscriber_in_order(connected: Any, running: Any) -> None:
    sdk = await connected()
    await sdk.ask("subscribe", channel="news:a")
    await running.publish("news:a", {"n": 1}, {"n": 2})
    await running.publish("news:a", {"n": 3})
    await sdk.until("publication", 3)
    assert sdk.data("news:a") == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert [line["offset"] for line in sdk.all("publication")] == [1, 2, 3]


async def test_a_client_publishes_and_hears_itself(connected: Any) -> None:
    sdk = await connected()
    await sdk.ask("subscribe", channel="news:a")
    await sdk.ask("publish", channel="news:a", data={"text": "two\nlines", "unit": "µs"})
    await sdk.until("publication")
    assert sdk.data("news:a") == [{"text": "two\nlines", "unit": "µs"}]


async def test_what_was_missed_while_the_gateway_was_away_is_recovered(
    connected: Any, running: Any
) -> None:
    sdk = await connected()
    await sdk.ask("subscribe", channel="news:a")
    await running.publish("news:a", 1)
    await sdk.until("publication")
    await running.stop()
    await running.publish("news:a", 2, 3)
    await running.start()
    again = await sdk.until("subscribed", 2)
    await sdk.until("publication", 3)
    assert again["recovered"]
    assert sdk.data("news:a") == [1, 2, 3]


async def test_a_new_subscriber_may_ask_for_the_log_from_its_beginning(
    connected: Any, running: Any
) -> None:
    await running.publish("news:a", *range(5))
    sdk = await connected()
    await sdk.ask("subscribe", channel="news:a", from_start=True)
    await running.publish("news:a", 5)
    await sdk.until("publication", 6)
    assert sdk.data("news:a") == list(range(6))


async def test_a_recovery_past_8_mib_is_refused_and_the_history_is_paged_instead(
    connected: Any, running: Any
) -> None:
    sdk = await connected()
    await sdk.ask("subscribe", channel="big:a")
    await running.publish("big:a", "first")
    await sdk.until("publication")
    await running.stop()
    for number in range(10):
        await running.publish("big:a", f"{number}" + "x" * 1_000_000)
    await running.start()
    again = await sdk.until("subscribed", 2)
    assert again["was_recovering"]
    assert not again["recovered"]
    since = {"offset": 1, "epoch": again["epoch"]}
    found: list[Any] = []
    while since["offset"] < again["offset"]:
        page = await sdk.ask("history", channel="big:a", limit=100, since=since)
        found += page["events"]
        since["offset"] = page["events"][-1]["offset"]
    assert [event["offset"] for event in found] == list(range(2, 12))
    assert [event["data"][0] for event in found] == list("0123456789")


async def test_a_lost_part_of_the_log_is_told_and_not_skipped(connected: Any, running: Any) -> None:
    sdk = await connected()
    await sdk.ask("subscribe", channel="short:a")
    await running.publish("short:a", "first")
    await sdk.until("publication")
    await running.stop()
    for number in range(40):
        await running.publish("short:a", f"{number}" + "x" * 500)
    await running.start()
    again = await sdk.until("subscribed", 2)
    assert again["was_recovering"]
    assert not again["recovered"]


async def test_rpc_publish_stores_one_event_however_often_it_is_repeated(
    connected: Any, running: Any
) -> None:
    sdk = await connected()
    asked = {"channel": "input:a", "key": "w:1", "data": {"type": "keys", "data": "ls\r"}}
    first = await sdk.ask("rpc", method="publish", data=asked)
    second = await sdk.ask("rpc", method="publish", data=asked)
    assert first == second
    assert first["offset"] == 1
    assert (await running.backend.top("input:a")).offset == 1


async def test_rpc_publishes_of_one_channel_are_stored_in_the_order_they_were_sent(
    connected: Any,
) -> None:
    sdk = await connected()
    await asyncio.gather(
        *(
            sdk.ask("rpc", method="publish", data={"channel": "input:a", "data": number})
            for number in range(50)
        )
    )
    page = await sdk.ask("history", channel="input:a", limit=100)
    assert [event["data"] for event in page["events"]] == list(range(50))


async def test_an_unknown_method_is_refused(connected: Any, refused: Any) -> None:
    sdk = await connected()
    with pytest.raises(refused) as caught:
        await sdk.ask("rpc", method="nonsense", data={})
    assert caught.value.code == 104


async def test_history_is_paged_in_both_directions(connected: Any, running: Any) -> None:
    await running.publish("news:a", *range(1, 11))
    sdk = await connected()
    position = await sdk.ask("history", channel="news:a", limit=0)
    assert (position["offset"], position["events"]) == (10, [])
    forward = await sdk.ask(
        "history", channel="news:a", limit=3, since={"offset": 4, "epoch": position["epoch"]}
    )
    assert [event["offset"] for event in forward["events"]] == [5, 6, 7]
    newest = await sdk.ask("history", channel="news:a", limit=3, reverse=True)
    assert [event["offset"] for event in newest["events"]] == [10, 9, 8]
    before = await sdk.ask(
        "history",
        channel="news:a",
        limit=3,
        since={"offset": 3, "epoch": position["epoch"]},
        reverse=True,
    )
    assert [event["offset"] for event in before["events"]] == [2, 1]


async def test_history_of_another_epoch_is_unrecoverable(
    connected: Any, running: Any, refused: Any
) -> None:
    await running.publish("news:a", 1)
    sdk = await connected()
    with pytest.raises(refused) as caught:
        await sdk.ask("history", channel="news:a", limit=3, since={"offset": 1, "epoch": "other"})
    assert caught.value.code == 112


async def test_presence_names_who_is_subscribed_on_any_connection(
    connected: Any, running: Any
) -> None:
    ann = await connected(running.token(sub="ann"))
    bob = await connected(running.token(sub="bob"))
    for sdk in (ann, bob):
        await sdk.ask("subscribe", channel="room:a")
    present = await ann.ask("presence", channel="room:a")
    assert sorted(info["user"] for info in present.values()) == ["ann", "bob"]
    assert await ann.ask("presence_stats", channel="room:a") == {"clients": 2, "users": 2}
    await bob.ask("unsubscribe", channel="room:a")
    await running.gateway.presence.read("room:a")
    assert await ann.ask("presence_stats", channel="room:a") == {"clients": 1, "users": 1}


async def test_a_channel_that_is_not_granted_is_refused_for_good(
    connected: Any, running: Any
) -> None:
    sdk = await connected(running.token("news:*", allow=("subscribe",)))
    await sdk.ask("subscribe", channel="news:a")
    with pytest.raises(Exception):  # noqa: B017, PT011 - each SDK says it in its own way
        await sdk.ask("subscribe", channel="secret:a")
    refusal = await sdk.until("unsubscribed")
    assert refusal["code"] == 103


async def test_publishing_needs_a_right_of_its_own(
    connected: Any, running: Any, refused: Any
) -> None:
    sdk = await connected(running.token("news:*", allow=("subscribe",)))
    with pytest.raises(refused) as caught:
        await sdk.ask("publish", channel="news:a", data=1)
    assert caught.value.code == 103
    with pytest.raises(refused) as caught:
        await sdk.ask("rpc", method="publish", data={"channel": "news:a", "data": 1})
    assert caught.value.code == 103


async def test_a_subscription_token_grants_one_channel_more(connected: Any, running: Any) -> None:
    sdk = await connected(running.token("news:*", allow=("subscribe",)))
    more = running.token("secret:a", allow=("subscribe",))
    await sdk.ask("subscribe", channel="secret:a", token=more)
    await running.publish("secret:a", "psst")
    await sdk.until("publication")
    assert sdk.data("secret:a") == ["psst"]


async def test_unsubscribing_stops_the_events(connected: Any, running: Any) -> None:
    sdk = await connected()
    for channel in ("news:a", "news:b"):
        await sdk.ask("subscribe", channel=channel)
    await sdk.ask("unsubscribe", channel="news:a")
    await sdk.until("unsubscribed")
    # The answer to a later command shows that the gateway has carried out the unsubscribe.
    await sdk.ask("history", channel="news:a", limit=0)
    await running.publish("news:a", 1)
    await running.publish("news:b", 2)
    await sdk.until("publication")
    assert [line["channel"] for line in sdk.all("publication")] == ["news:b"]
    assert running.gateway.channels_followed == 1


async def test_a_token_is_refreshed_before_it_ends(connected: Any, running: Any) -> None:
    sdk = await connected(running.token(ttl=1.0))
    await sdk.ask("next_token_is", token=running.token(ttl=60.0))
    await sdk.ask("subscribe", channel="news:a")
    await sdk.until("token_wanted")
    await running.publish("news:a", 1)
    await sdk.until("publication")
    assert len(sdk.all("connected")) == 1
    assert len(sdk.all("connecting")) == 1


async def test_a_refreshed_token_that_grants_less_ends_subscriptions(
    connected: Any, running: Any
) -> None:
    sdk = await connected(running.token(ttl=1.0))
    await sdk.ask("next_token_is", token=running.token("news:*", ttl=60.0))
    for channel in ("news:a", "room:a"):
        await sdk.ask("subscribe", channel=channel)
    ended = await sdk.until("unsubscribed")
    assert ended["code"] == 2000


async def test_an_ended_token_is_replaced_on_connecting(connected: Any, running: Any) -> None:
    sdk = await connected(running.token(ttl=2.0))  # Node may take a while to present it
    await running.stop()
    await asyncio.sleep(2.1)  # the token has to end
    await sdk.ask("next_token_is", token=running.token())
    await running.start()
    await sdk.until("connected", 2)
    assert sdk.all("token_wanted")


async def test_a_forged_token_ends_the_connection_for_good(connected: Any, running: Any) -> None:
    header, claims, _ = running.token().split(".")
    with pytest.raises(Exception):  # noqa: B017, PT011 - each SDK says it in its own way
        await connected(f"{header}.{claims}.{'A' * 43}")


async def test_a_gateway_that_ends_sends_its_clients_away_with_code_3001(
    connected: Any, running: Any
) -> None:
    sdk = await connected()
    await sdk.ask("subscribe", channel="news:a")
    await running.gateway.drain(over=0.2)
    gone = await sdk.until("connecting", 2)
    assert gone["code"] == 3001
    await running.stop()
    await running.publish("news:a", "meanwhile")
    await running.start()
    await sdk.until("publication")
    assert sdk.data("news:a") == ["meanwhile"]


async def test_the_end_of_a_job_that_never_wrote_is_told_once(
    connected: Any, running: Any, ended_job: Any
) -> None:
    running.records["J1"] = ended_job("J1")
    sdk = await connected()
    await sdk.ask("subscribe", channel="job:J1")
    await sdk.until("publication")
    await running.stop()
    await running.start()
    again = await sdk.until("subscribed", 2)
    assert again["recovered"]
    assert sdk.data("job:J1") == [{"type": "end", "job": "J1", "state": "succeeded"}]


async def test_who_waits_for_a_silent_job_hears_its_end(
    connected: Any, running: Any, ended_job: Any
) -> None:
    sdk = await connected()
    await sdk.ask("subscribe", channel="job:J2")
    running.records["J2"] = ended_job("J2")
    await sdk.until("publication")
    assert sdk.data("job:J2")[0]["state"] == "succeeded"

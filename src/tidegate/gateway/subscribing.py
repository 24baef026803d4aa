"""The command `subscribe`: a channel's events from now on, or from where the client stood."""

from typing import TYPE_CHECKING, Final

from tidegate.channels.cursor import START, Cursor
from tidegate.channels.event import checked_name
from tidegate.gateway.endings import Ending
from tidegate.gateway.protocol import (
    ALREADY_SUBSCRIBED,
    LIMIT_EXCEEDED,
    REJECT_UNRECOVERED,
    UNRECOVERABLE,
    Reply,
    SubscribeRequest,
    SubscribeResult,
    publication,
)
from tidegate.gateway.refusals import RefusedError
from tidegate.gateway.rights import channel_claims, require, seconds_left
from tidegate.gateway.subscription import Subscription
from tidegate.gateway.topic import Topic

if TYPE_CHECKING:
    from tidegate.gateway.session import Session

MAX_SUBSCRIPTIONS: Final = 512
"""Channels one connection may be subscribed to."""


async def subscribe(session: "Session", request: SubscribeRequest) -> Reply:
    """Send the channel's events from now on, and those missed where they can be recovered."""
    channel = checked_name(request.channel)
    if channel in session.subscriptions:
        raise RefusedError(ALREADY_SUBSCRIBED)
    if len(session.subscriptions) >= MAX_SUBSCRIPTIONS:
        raise RefusedError(LIMIT_EXCEEDED.saying(f"at most {MAX_SUBSCRIPTIONS} subscriptions"))
    claims = channel_claims(session, channel, request.token) if request.token else None
    if claims is None:
        require(session, "subscribe", channel)
    session.subscriptions[channel] = None
    try:
        topic, result = await _begun(session, request)
    except BaseException:
        session.subscriptions.pop(channel, None)
        raise
    if claims is not None:
        result.ttl = seconds_left(session, claims)
        result.expires = result.ttl > 0
    session.enter(channel, Subscription(topic, claims))
    return Reply(subscribe=result)


async def _begun(session: "Session", request: SubscribeRequest) -> tuple[Topic, SubscribeResult]:
    """The topic, held for the caller, and what to answer.

    What is answered is true until the caller waits again; before that it enters the topic.
    """
    topics = session.gateway.topics
    topic = await topics.acquire(request.channel)
    try:
        return topic, await _result(session, topic, request)
    except BaseException:
        topics.release(topic)
        raise


async def _result(session: "Session", topic: Topic, request: SubscribeRequest) -> SubscribeResult:
    if not topic.position.offset:
        ending = await session.gateway.endings.find(topic.channel)
        if ending is not None:
            return _ended(ending, request)
        session.gateway.endings.watch(topic)
    return await _recovered(topic, request)


def _ended(ending: Ending, request: SubscribeRequest) -> SubscribeResult:
    """The answer for a job that has ended and never wrote: its end, unless that was seen."""
    is_seen = request.recover and Cursor(request.offset, request.epoch) == ending.cursor
    return SubscribeResult(
        recoverable=True,
        positioned=True,
        was_recovering=request.recover,
        recovered=request.recover and (is_seen or not request.offset),
        epoch=ending.epoch,
        offset=ending.cursor.offset if is_seen else 0,
        publications=[] if is_seen else [publication(ending.event)],
    )


async def _recovered(topic: Topic, request: SubscribeRequest) -> SubscribeResult:
    """What the client missed, or where the channel is now; read last, so that it is current."""
    since = Cursor(request.offset, request.epoch)
    result = SubscribeResult(
        recoverable=True, positioned=True, was_recovering=request.recover, offset=request.offset
    )
    if request.recover and (topic.replays or since != START):
        missed = await topic.recover(since)
        if missed.is_complete and missed.is_current:
            result.recovered = True
            result.publications = [publication(event) for event in missed.events]
            result.epoch = missed.at.epoch
            return result
        if request.flag & REJECT_UNRECOVERED:
            raise RefusedError(UNRECOVERABLE)
    position = topic.current()
    result.offset, result.epoch = position.offset, position.epoch
    return result

"""How many tasks there should be: a function of what is observed. Pure.

Production, the command line and the simulator call this same function.
"""

import math

from msgspec import Struct

from tidegate.scaling.observation import Observation
from tidegate.spec import QueueDepth


class Decision(Struct, frozen=True):
    """How many tasks there should be, and why.

    Attributes:
        desired: Tasks wanted, within the policy's bounds.
        reason: The calculation, in words and numbers.
    """

    desired: int
    reason: str


def decide(policy: QueueDepth, seen: Observation) -> Decision:
    """The wanted number of tasks: `ceil(depth / messages_per_task)`, within `min` and `max`."""
    wanted = math.ceil(seen.depth / policy.messages_per_task)
    desired = min(max(wanted, policy.min), policy.max)
    reason = f"{_counted(seen.depth, 'job')} at {policy.messages_per_task} per task is {wanted}"
    if desired < wanted:
        reason += f"; the maximum is {policy.max}"
    elif desired > wanted:
        reason += f"; the minimum is {policy.min}"
    return Decision(desired, reason)


def missing(decision: Decision, seen: Observation) -> int:
    """Tasks to start now; 0 where there are enough. Nothing is ever stopped to get fewer."""
    return max(decision.desired - seen.tasks.coming, 0)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

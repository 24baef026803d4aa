"""What holds a stranger's command: a user, limits and filters, as far as the machine has them."""

from apps.terminal.sandbox.identity import Identity, NoFreeIdentityError
from apps.terminal.sandbox.layers import Layer
from apps.terminal.sandbox.limits import LimitError, Limits
from apps.terminal.sandbox.sandbox import Lease, Sandbox, UnreachableFolderError

__all__ = [
    "Identity",
    "Layer",
    "Lease",
    "LimitError",
    "Limits",
    "NoFreeIdentityError",
    "Sandbox",
    "UnreachableFolderError",
]

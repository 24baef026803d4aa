"""When a failed attempt runs again. Pure."""

from typing import Literal

from msgspec import Struct

from tidegate.errors import DeclarationError
from tidegate.jobs.context import Fatal

Jitter = Literal["full", "additive", "none"]


class Retry(Struct, frozen=True, kw_only=True):
    """How often, and after how long, a failed attempt is repeated.

    The n-th wait is drawn from `base * 2 ** (n - 1)`, never above `cap`: with `full` jitter
    uniformly between 0 and it, with `additive` between it and a quarter more.

    Attributes:
        attempts: Runs in all, the first included.
        base: Seconds; the first wait before jitter.
        cap: Seconds; the longest wait before jitter.
        retry_on: Exceptions that are worth another attempt; others end the job at once.
    """

    attempts: int = 5
    base: float = 1.0
    cap: float = 900.0
    jitter: Jitter = "full"
    retry_on: tuple[type[BaseException], ...] = (Exception,)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise DeclarationError(f"expected attempts of at least 1, found {self.attempts}")
        if not 0 <= self.base <= self.cap:
            raise DeclarationError(
                f"expected 0 <= base <= cap, found base={self.base:g}, cap={self.cap:g}"
            )

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait after failed attempt number `attempt`; `chance` is uniform in [0, 1)."""
        # Doubling past 64 times overflows nothing but says nothing more either.
        wait = min(self.cap, self.base * 2.0 ** min(attempt - 1, 64))
        if self.jitter == "full":
            return wait * chance
        if self.jitter == "additive":
            return wait * (1 + chance / 4)
        return wait

    def after(self, error: BaseException, attempt: int, chance: float) -> float | None:
        """Seconds until the next attempt; None where there is to be none."""
        if attempt >= self.attempts or not self.is_worth(error):
            return None
        return self.delay(attempt, chance)

    def is_worth(self, error: BaseException) -> bool:
        """Whether another attempt could do better: one of `retry_on`, and not `Fatal`."""
        return isinstance(error, self.retry_on) and not isinstance(error, Fatal)

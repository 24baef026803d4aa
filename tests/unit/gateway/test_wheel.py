from tidegate.gateway.wheel import PATIENCE, TURN, Wheel


class Noted:
    def __init__(self) -> None:
        self.pinged: list[int] = []
        self.checked: list[int] = []
        self.second = 0

    def ping(self) -> None:
        self.pinged.append(self.second)

    def check(self) -> None:
        self.checked.append(self.second)


def tick(wheel: Wheel) -> None:
    for call in wheel.tick():
        call()


def turned(wheel: Wheel, spokes: list[Noted], seconds: int) -> None:
    for _ in range(seconds):
        for spoke in spokes:
            spoke.second += 1
        tick(wheel)


def test_a_spoke_is_checked_first_and_pinged_once_a_turn() -> None:
    wheel, spoke = Wheel(), Noted()
    turned(wheel, [], 7)
    wheel.add(spoke)
    turned(wheel, [spoke], 3 * TURN)
    assert spoke.checked[0] <= PATIENCE
    assert [b - a for a, b in zip(spoke.pinged, spoke.pinged[1:], strict=False)] == [TURN, TURN]
    assert all(check - PATIENCE in spoke.pinged for check in spoke.checked[1:])


def test_spokes_that_come_over_time_are_spread_over_the_turn() -> None:
    wheel = Wheel()
    spokes = [Noted() for _ in range(TURN)]
    for spoke in spokes:
        wheel.add(spoke)
        turned(wheel, [], 1)
    at_once = []
    for _ in range(TURN):
        before = sum(len(spoke.pinged) for spoke in spokes)
        tick(wheel)
        at_once.append(sum(len(spoke.pinged) for spoke in spokes) - before)
    assert max(at_once) == 1


def test_a_spoke_that_is_removed_is_left_alone() -> None:
    wheel, spoke = Wheel(), Noted()
    slot = wheel.add(spoke)
    wheel.remove(spoke, slot)
    wheel.remove(spoke, slot)
    turned(wheel, [spoke], 2 * TURN)
    assert (spoke.pinged, spoke.checked) == ([], [])

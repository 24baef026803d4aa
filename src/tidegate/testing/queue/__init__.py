"""What every queue backend promises, as tests. A backend is finished when it passes.

class TestMyQueues(QueueContract):
    @pytest.fixture
    async def queues(self) -> AsyncIterator[QueuesUnderTest]:
        yield MyQueuesUnderTest(...)  # with CONTRACT_QUEUES declared
"""

from tidegate.testing.queue.affinity import AffinityContract
from tidegate.testing.queue.delivery import DeliveryContract
from tidegate.testing.queue.ending import EndingContract
from tidegate.testing.queue.lease import LeaseContract
from tidegate.testing.queue.limits import LimitsContract
from tidegate.testing.queue.order import OrderContract
from tidegate.testing.queue.timing import TimingContract
from tidegate.testing.queue.under_test import CONTRACT_QUEUES, QueuesUnderTest
from tidegate.testing.queue.waking import WakingContract
from tidegate.testing.queue.watching import WatchingContract

__all__ = ["CONTRACT_QUEUES", "QueueContract", "QueuesUnderTest"]


class QueueContract(
    DeliveryContract,
    LeaseContract,
    OrderContract,
    TimingContract,
    EndingContract,
    LimitsContract,
    AffinityContract,
    WakingContract,
    WatchingContract,
):
    """The whole suite; subclasses provide the fixture `queues`."""

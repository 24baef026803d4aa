"""The queue and the tasks behind every command."""

from starlette.responses import Response

from apps.terminal.api.answers import answer
from apps.terminal.api.visit import Visit, personal
from apps.terminal.app import commands
from tidegate import Client, statuses


async def show(visit: Visit) -> Response:
    """What waits, what runs, and why the rest waits; as the channel `tidegate:status` has it."""
    client = visit.services.client
    for status in await statuses(client.valkey):
        if status.worker == commands.name:
            return answer(status)
    return answer(await _counted(client, visit.services.settings.max_tasks))


async def _counted(client: Client, most: int) -> dict[str, object]:
    """The same from the queue itself, where no orchestrator has spoken yet."""
    queue = next(each for each in await client.queues() if each.name == commands.name)
    tasks = sum(commands.name in worker.queues for worker in await client.workers())
    return {
        "queue": {
            "name": queue.name,
            "depth": queue.depth,
            "ready": queue.ready,
            "running": queue.running,
            "oldest_age_s": round(queue.oldest_age, 1),
        },
        "tasks": {"running": tasks, "starting": 0, "desired": tasks, "max": most},
        "waiting": {"reason": None},
    }


ROUTES = [personal("GET", "/api/status", show)]

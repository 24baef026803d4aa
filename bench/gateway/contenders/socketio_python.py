"""python-socketio on uvicorn with uvloop: events made in the process itself."""

import asyncio
import signal
import sys
import time

import socketio
import uvicorn

PORT, RATE = int(sys.argv[1]), float(sys.argv[2])
server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])


async def publish() -> None:
    start, sent = time.monotonic(), 0
    while True:
        while sent < (time.monotonic() - start) * RATE:
            await server.emit("m", {"t": time.monotonic_ns(), "filler": "x" * 60})
            sent += 1
        await asyncio.sleep(0.001)


async def main() -> None:
    config = uvicorn.Config(
        socketio.ASGIApp(server), port=PORT, log_level="error", ws_per_message_deflate=False
    )
    running = uvicorn.Server(config)
    tasks: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: tasks.add(loop.create_task(publish())))
    print("ready", flush=True)
    await running.serve()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())

"""WebSocket text frames as bytes, so that one encoding serves every subscriber."""

from websockets.frames import Frame, Opcode


def text_frame(payload: bytes) -> bytes:
    """An unmasked, uncompressed text frame, as servers send it."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)

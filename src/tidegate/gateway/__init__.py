"""The server browsers connect to: WebSocket and SSE over channels."""

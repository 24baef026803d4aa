"""Fan-out to many sockets, beside Socket.IO, python-socketio and nchan."""

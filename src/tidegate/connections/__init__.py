"""How Tidegate reaches Valkey: the client, the embedded server, the function library."""

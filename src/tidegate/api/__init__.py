"""The HTTP API: one table of routes, from which both the server and its OpenAPI document come."""

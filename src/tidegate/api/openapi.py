"""The OpenAPI 3.1 document of the API, from its table of routes. Pure."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from tidegate.api.refusal import ErrorBody
from tidegate.api.route import Access, Route

_BY_ACCESS: Final[dict[Access, tuple[int, ...]]] = {
    "public": (),
    "admin": (401, 403),
    "enqueue": (401, 403),
    "history": (401, 403),
    "publish": (401, 403),
    "attempt": (401,),
}
_MEANINGS: Final = {
    200: "It was done.",
    202: "It was accepted and will be done.",
    400: "The request is malformed.",
    401: "No token, or one that is forged or has ended.",
    403: "The token does not grant this.",
    404: "There is nothing of this name.",
    409: "The job is in another state, or the attempt no longer holds its lease.",
    413: "The body is too large.",
    429: "The queue is full; try again after `Retry-After` seconds.",
    503: "A part this depends on does not answer; try again.",
}
_ERROR_REF: Final = "#/components/schemas/ErrorBody"


def document(routes: Sequence[Route], *, title: str, version: str) -> dict[str, Any]:
    """The document as a JSON object."""
    types = [kind for route in routes for kind in (route.body, route.answer) if kind is not None]
    _, schemas = msgspec.json.schema_components(
        [*dict.fromkeys(types), ErrorBody], ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.name.partition(".")[0]],
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.query)],
        "responses": _responses(route),
    }
    if route.access != "public":
        operation["security"] = [{"bearer": []}]
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(_ref(route.body))}
    return operation


def _responses(route: Route) -> dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    if route.answer is not None:
        content = _json(_ref(route.answer))
    responses = {str(route.status): {"description": _MEANINGS[route.status], "content": content}}
    asked = (400,) if route.body or route.query else ()
    for status in sorted({*asked, *_BY_ACCESS[route.access], *route.refusals}):
        responses[str(status)] = {
            "description": _MEANINGS[status],
            "content": _json({"$ref": _ERROR_REF}),
        }
    return responses


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(query: type[Struct] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = msgspec.json.schema(query)["$defs"]
    properties = schema[query.__name__]["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": _inlined(each, schema)}
        for name, each in properties.items()
    ]


def _inlined(schema: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """A schema without references, as parameters stand outside of the shared components."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_inlined(each, known) for each in schema["anyOf"]]}
    if "$ref" in schema:
        return dict(known[schema["$ref"].rpartition("/")[2]])
    return schema


def _ref(kind: type[Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _json(schema: dict[str, str]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}

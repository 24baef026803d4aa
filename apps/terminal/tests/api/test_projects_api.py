"""Projects over HTTP."""

import httpx


async def test_a_project_is_made_listed_renamed_and_deleted(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/projects")).json() == {"projects": []}
    made = await http.post("/api/projects", json={"name": "Notes"})
    assert made.status_code == 201
    project = made.json()
    assert project["role"] == "owner"
    assert (project["files"], project["bytes"]) == (0, 0)
    path = f"/api/projects/{project['id']}"
    assert (await http.patch(path, json={"name": "Essays"})).json()["name"] == "Essays"
    listed = (await http.get("/api/projects")).json()["projects"]
    assert [each["name"] for each in listed] == ["Essays"]
    assert (await http.delete(path)).status_code == 204
    assert (await http.get(path)).status_code == 404

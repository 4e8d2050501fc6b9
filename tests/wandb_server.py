"""W&B's API on this machine: GraphQL over HTTP, as far as the dashboard and a run need it."""

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

ANSWERS = {
    "upsertBucket": {
        "upsertBucket": {
            "bucket": {"id": "b", "name": "r", "displayName": "d", "project": {"name": "p", "entity": {"name": "e"}}},
            "inserted": True,
        }
    },
    "viewer": {"viewer": {"id": "u", "username": "u", "entity": "e", "flags": "{}", "teams": {"edges": []}}},
    "serverInfo": {"serverInfo": {"features": []}},
    "createRunFiles": {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": []}},
}


class RunServer:
    """Takes in runs; its `state` is "works", "hangs", or the status that it answers everything with."""

    state = "works"

    def reply(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and content."""
        if self.state == "hangs":
            time.sleep(600)
        data = next((answer for word, answer in ANSWERS.items() if word in request.get("query", "")), {})
        return 200 if self.state == "works" else int(self.state), {"data": data}


class Server:
    """What the project holds; it keeps what is published.

    Args:
        entity: the account's default, None if it has none.
    """

    def __init__(self, entity: str | None = "someone") -> None:
        self.entity = entity
        self.projects = {"msaseg"}
        self.views: dict[str, dict[str, Any]] = {}
        self.sent: list[dict[str, Any]] = []
        self.refuse: int | None = None

    def reply(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and content."""
        try:
            return 200, {"data": self.answer(request["query"], request.get("variables") or {})} if request else {}
        except PermissionError as error:
            return 200, {"errors": [{"message": str(error)}]}

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the data of a query, or raise what the server refuses."""
        if "upsertView" in query:
            return {"upsertView": {"view": self._upsert(variables), "inserted": True}}
        if "allViews" in query:
            kind = variables.get("viewType", "runs")
            name = variables.get("viewName") or None
            found = [view for view in self.views.values() if view["type"] == kind and name in (None, view["name"])]
            project = variables.get("project") or variables.get("projectName") or variables.get("name")
            edges = [{"node": view, "cursor": view["id"]} for view in found]
            page = {"endCursor": None, "hasNextPage": False}
            return {"project": {"allViews": {"edges": edges, "pageInfo": page}} if project in self.projects else None}
        if "models" in query or "Projects" in query:
            edges = [{"node": self._project(name), "cursor": name} for name in sorted(self.projects)]
            return {"models": {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}}
        if "internalId" in query:
            return {"project": {"internalId": "1"} if variables["projectName"] in self.projects else None}
        return {
            "viewer": {"id": "u", "entity": self.entity, "username": "someone", "flags": "{}", "teams": {"edges": []}}
        }

    def _project(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "name": name,
            "entityName": self.entity,
            "createdAt": "2026-01-01",
            "isBenchmark": False,
            "user": None,
        }

    def _upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        if self.refuse == len(self.sent):
            raise PermissionError("permission denied")
        self.sent.append(variables)
        id = variables.get("id") or f"view{len(self.views)}"
        keys = ("name", "displayName", "description", "spec", "type")
        project = {"name": variables["projectName"], "entityName": variables["entityName"]}
        times = {"createdAt": "2026-01-01T00:00:00", "updatedAt": "2026-01-01T00:00:00"}
        self.views[id] = {"id": id, "project": project, "user": None, **times, **{key: variables[key] for key in keys}}
        return self.views[id]


@contextmanager
def serving(server: Server | RunServer) -> Iterator[str]:
    """Serve on a free port of the loopback; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            request = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
            status, content = server.reply(json.loads(request) if self.path == "/graphql" else {})
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()

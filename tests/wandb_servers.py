"""W&B servers on this machine: one that works until told otherwise, and those that do not."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


class Server:
    """A server whose `state` is "works", "hangs", or the status that it answers everything with."""

    def __init__(self, state="works"):
        self.state = state
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if server.state == "hangs":
                    time.sleep(600)
                query = json.loads(body).get("query", "") if self.path == "/graphql" else ""
                data = next((answer for word, answer in ANSWERS.items() if word in query), {})
                content = json.dumps({"data": data}).encode()
                self.send_response(200 if server.state == "works" else int(server.state))
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that http.server calls

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


def refusing_url():
    """Return an address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"

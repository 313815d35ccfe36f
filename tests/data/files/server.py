"""A local file server with Range and If-Range, which can simulate faults."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Server:
    """The files and the behaviour of the server.

    Attributes:
        url: the server's address.
        files: content by name.
        cut_after: the number of bytes after which the connection breaks, one entry for each of the next responses.
        etags: send entity tags (True), none at all (False), or weak ones ("weak").
        lengths: send Content-Length.
        headers: additional headers.
        requests: (name, Range header or "") of every request so far.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    etags: bool | str = True
    lengths: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[Server]:
    server = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, server)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def _answer(handler: http.server.BaseHTTPRequestHandler, server: Server) -> None:
    name = handler.path.rpartition("/")[2]
    asked = handler.headers.get("Range", "")
    server.requests.append((name, asked))
    if name not in server.files:
        handler.send_error(404)
        return
    content = server.files[name]
    tag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
    start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and handler.headers.get("If-Range") == tag else 0
    if start >= len(content) > 0:
        handler.send_error(416)
        return
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    if server.lengths:
        handler.send_header("Content-Length", str(len(content) - start))
    if server.etags:
        handler.send_header("ETag", f"W/{tag}" if server.etags == "weak" else tag)
    for header, value in server.headers.items():
        handler.send_header(header, value)
    handler.end_headers()
    stop = start + server.cut_after.pop(0) if server.cut_after else len(content)
    handler.wfile.write(content[start:stop])
    handler.close_connection = True

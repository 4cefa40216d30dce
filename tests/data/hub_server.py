"""A hub on this machine: a real HTTP server with the few routes that fetching needs."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMIT = "a1" * 20
_API = re.compile(r"/api/models/(\w[\w.-]*/[\w.-]+)(?:/revision/(.+))?")
_RESOLVE = re.compile(r"/(\w[\w.-]*/[\w.-]+)/resolve/(\w+)/(.+)")


def blob_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass
class Hub:
    """What the server has, how it misbehaves, and what it was asked for."""

    repo: str
    files: dict[str, bytes]
    port: int = 0
    token: str | None = None
    """Needed to get files, if any."""
    accepted: bool = True
    """Whether the account of this token has accepted the licence."""
    states: bool = True
    """Whether checksums are stated, as a poor mirror does not."""
    stall_after: int | None = None
    """Bytes of a file after which nothing more comes; the connection stays until `release`."""
    drop_after: int | None = None
    """Bytes after which the connection is closed, once."""
    ignores_ranges: bool = False
    sizes: dict[str, int] = field(default_factory=dict)
    """Sizes that are stated wrongly."""
    flipped: set[str] = field(default_factory=set)
    """Files that arrive with one bit changed."""
    requests: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    stalled: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def info(self) -> dict[str, Any]:
        return {"id": self.repo, "sha": COMMIT, "siblings": [self._entry(n) for n in self.files]}

    def _entry(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        size = self.sizes.get(name, len(content))
        entry: dict[str, Any] = {"rfilename": name, "size": size}
        if self.states:
            entry["blobId"] = blob_sha1(content)
        if self.states and name.endswith((".safetensors", ".bin")):
            sha256 = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"size": size, "sha256": sha256, "pointerSize": 134}
        return entry


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        # To a proxy, clients send the whole address.
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.path}")
        if found := _API.fullmatch(path):
            self._api(found[1], found[2])
        elif found := _RESOLVE.fullmatch(path):
            self._file(found[1], found[2], found[3])
        else:
            self._refuse(404, "EntryNotFound")

    def _api(self, repo: str, revision: str | None) -> None:
        if repo != self.hub.repo:
            self._refuse(401, "RepoNotFound")
        elif revision not in (None, "main", COMMIT):
            self._refuse(404, "RevisionNotFound")
        else:
            self._answer(200, json.dumps(self.hub.info()).encode(), {})

    def _file(self, repo: str, commit: str, name: str) -> None:
        hub = self.hub
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self._refuse(401, "GatedRepo")
        elif hub.token and not hub.accepted:
            self._refuse(403, "GatedRepo")
        elif repo != hub.repo or commit != COMMIT or name not in hub.files:
            self._refuse(404, "EntryNotFound")
        else:
            self._content(name)

    def _content(self, name: str) -> None:
        hub, content = self.hub, bytearray(self.hub.files[name])
        if name in hub.flipped:
            content[len(content) // 2] ^= 1
        headers = {"ETag": f'"{blob_sha1(content)}"', "X-Repo-Commit": COMMIT}
        asked = self.headers.get("Range")
        if asked is None or hub.ignores_ranges:
            self._answer(200, bytes(content), headers, name)
            return
        hub.ranges.append(f"{name} {asked}")
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._answer(206, bytes(content[start:]), headers, name)

    def _answer(self, code: int, body: bytes, headers: dict[str, str], name: str = "") -> None:
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self._send(body, name)

    def _send(self, body: bytes, name: str) -> None:
        hub = self.hub
        for start in range(0, len(body), 2**14):
            if hub.stall_after is not None and start >= hub.stall_after:
                hub.stalled.set()
                hub.release.wait(60)
                self.close_connection = True
                return
            if hub.drop_after is not None and start >= hub.drop_after:
                hub.drop_after = None
                self.close_connection = True
                return
            try:
                self.wfile.write(body[start : start + 2**14])
            except OSError:  # the other side was killed
                self.close_connection = True
                return
            hub.sent[name] = hub.sent.get(name, 0) + len(body[start : start + 2**14])

    def _refuse(self, code: int, reason: str) -> None:
        self._answer(code, b"{}", {"X-Error-Code": reason})


@contextmanager
def serving(repo: str, files: dict[str, bytes]) -> Iterator[Hub]:
    """Serve one repository while the block runs."""
    hub = Hub(repo, files)
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        hub.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield hub
        hub.release.set()
        server.shutdown()
        thread.join()

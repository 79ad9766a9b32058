"""The report of runs that go on, for a browser on this machine.

Takes how to open the builds; gives a server. Guarantees: it listens on 127.0.0.1 alone, answers only requests that name
this machine, and gives the page and its data, never a file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

from attrs import define, field

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.reports import PortTaken
from swc.diagnostics.sources import reason_of
from swc.folders.store import Build
from swc.report.document import page_of
from swc.report.gather import Report, as_json, report_of

HOST = "127.0.0.1"
WATCHED = ("*.json", "metrics.jsonl", "eval/*.json", "revisions/*/*")
HTML, JSON, TEXT = "text/html", "application/json", "text/plain"


@define
class Follower:
    """Gives the report of some builds as it is now; reads them again only where a file has changed."""

    open_builds: Callable[[], tuple[Build, ...]]
    _folders: tuple[Path, ...] = ()
    _seen: object = None
    _report: Report | None = None
    _lock: Lock = field(factory=Lock)

    def report(self) -> Report:
        """The report; DiagnosticError where a run cannot be read just now."""
        with self._lock:
            seen = _state(self._folders)  # before reading: what changes meanwhile is read next time
            if self._report is None or seen != self._seen:
                self._report = None
                builds = self.open_builds()
                folders = tuple(build.folder for build in builds)
                # the state of other folders says nothing of these: they are read once more, with it known
                self._folders, self._seen = folders, seen if folders == self._folders else None
                self._report = report_of(builds)
            return self._report


def _state(folders: tuple[Path, ...]) -> tuple[tuple[str, int, int], ...]:
    return tuple(found for folder in folders for found in _stamps(folder))


def _stamps(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Name, time and size of what a report is made of; also of the build around a run, and of a run yet to begin."""
    patterns = [*WATCHED, *(f"run/{pattern}" for pattern in WATCHED)]
    known = [path for pattern in patterns for path in folder.glob(pattern)]
    for path in sorted([*known, folder.parent / "spec.json"]):
        try:
            facts = path.stat()
        except OSError:  # written or moved just now
            continue
        yield str(path), facts.st_mtime_ns, facts.st_size


class Server(ThreadingHTTPServer):
    """The server of one follower; `address` is what to open in a browser."""

    daemon_threads = True

    def __init__(self, follower: Follower, port: int) -> None:
        self.follower = follower
        super().__init__((HOST, port), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that has left."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    """Answers for the page at `/` and its data at `/data.json`."""

    server: Server

    def do_GET(self) -> None:
        """Give the page or the data; both are rebuilt where files have changed."""
        known = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") not in known:  # a page of elsewhere, whose name was made to lead here
            self._give(HTTPStatus.FORBIDDEN, TEXT, "this server answers to its own address alone\n")
        elif self.path not in ("/", "/data.json"):
            self._give(HTTPStatus.NOT_FOUND, TEXT, "there is the page / and its data /data.json\n")
        else:
            self._give_report()

    def _give_report(self) -> None:
        try:
            report = self.server.follower.report()
        except DiagnosticError as error:
            said = "; ".join(diagnostic.message() for diagnostic in error.diagnostics)
            self._give(HTTPStatus.SERVICE_UNAVAILABLE, TEXT, said + "\n")
            return
        if self.path == "/":
            self._give(HTTPStatus.OK, HTML, page_of(report, live=True))
        else:
            self._give(HTTPStatus.OK, JSON, as_json(report))

    def _give(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        tag = f'"{sha256(body).hexdigest()}"'
        if status is HTTPStatus.OK and self.headers.get("If-None-Match") == tag:
            status, body = HTTPStatus.NOT_MODIFIED, b""
        self.send_response(status)
        headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body)), "ETag": tag}
        headers |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        """Say nothing: the terminal is the user's."""


def server_of(follower: Follower, port: int) -> Server:
    """A server that listens; port 0 takes a free one. DiagnosticError where the system refuses the port."""
    try:
        return Server(follower, port)
    except OSError as error:
        raise DiagnosticError(PortTaken(port=port, reason=reason_of(error))) from error

"""`swc report`: the page is written whole, mistakes are reported, and the server serves this machine alone."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
from swc.cli import main
from swc.diagnostics import DiagnosticError
from swc.folders.store import open_build
from swc.report.serve import Follower, Server, server_of

from support.reports import add_epochs, begin, compiled, split, whole_run
from support.runs import Place, place


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_run(tmp_path_factory.mktemp("reported") / "run")


def test_a_page_is_written(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "mine.html"
    assert main.run(["report", str(run), "-o", str(target)]) == 0
    assert capsys.readouterr().err == f"wrote {target}\n"
    assert target.read_text("utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_compiled_is_shown_with_its_source(tmp_path_factory: pytest.TempPathFactory) -> None:
    made: Place = place(tmp_path_factory)
    assert made.compile((made.folder / "tiny.sw").read_text("utf-8"), "--set", "tau=0.4") == 0
    assert made.swc("report") == 0
    page = (made.folder / "report.html").read_text("utf-8")
    (found,) = json.loads(page.split('id="data">')[1].split("</script>")[0])["runs"]
    assert found["repeat"]["commands"] == ["swc compile tiny.sw --set tau=0.4"]
    assert found["repeat"]["files"][0]["text"] == (made.folder / "tiny.sw").read_text("utf-8")
    assert [name["name"] for name in found["repeat"]["files"]] == ["tiny.sw", "digits.sw"]
    assert made.swc("report", "tiny.sw", "-o", "of_a_spec.html") == 0


def test_one_run_twice_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["report", str(run), f"{run}/"]) == 1
    assert f"error[SW691]: the run `{run}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--serve", "-o", "x.html"), ("--port", "8000"), ("--serve", "--port", "0")])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert main.run(["report", *arguments]) == 2


def test_a_port_that_is_taken_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main.run(["report", str(run), "--serve", "--port", str(port)]) == 1
    assert f"error[SW690]: cannot listen on port {port}: address already in use" in capsys.readouterr().err


@contextmanager
def serving(*places: Path) -> Iterator[Server]:
    follower = Follower(lambda: tuple(open_build(place) for place in places))
    with server_of(follower, 0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server: Server, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, dict(answer.headers), answer.read()
    connection.close()
    return found


def test_the_server_gives_the_page_and_its_data_and_nothing_else(run: Path) -> None:
    with serving(run) as server:
        assert server.address == f"http://127.0.0.1:{server.server_port}/"
        assert server.socket.getsockname()[0] == "127.0.0.1"
        status, headers, page = ask(server, "/")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert b"connect-src &#x27;self&#x27;" in page
        status, headers, data = ask(server, "/data.json")
        assert json.loads(data)["runs"][0]["name"] == "synthetic"
        assert ask(server, "/data.json", **{"If-None-Match": headers["ETag"]})[0] == 304
        for path in ("/spec.json", "/../spec.json", "/data.json/", "//etc/passwd", "/?x", f"/{run}/spec.json"):
            assert ask(server, path)[0] == 404


def test_the_server_answers_to_this_machine_alone(run: Path) -> None:
    with serving(run) as server:
        assert ask(server, "/data.json", Host="elsewhere.example")[0] == 403
        assert ask(server, "/data.json", Host=f"elsewhere.example:{server.server_port}")[0] == 403
        assert ask(server, "/data.json", Host=f"localhost:{server.server_port}")[0] == 200


def test_the_server_follows_a_run(tmp_path: Path) -> None:
    first, folder = compiled(), tmp_path / "run"
    begin(folder, first)
    with serving(folder) as server:
        (found,) = json.loads(ask(server, "/data.json")[2])["runs"]
        assert found["curves"] is None
        add_epochs(folder, first, "search", [1, 2])
        with (folder / "metrics.jsonl").open("a") as stream:
            stream.write('{"kind": "epoch", "half a li')
        (found,) = json.loads(ask(server, "/data.json")[2])["runs"]
        assert len(found["curves"]["losses"]["m0"]) == 2
        split(folder, first)
        (found,) = json.loads(ask(server, "/data.json")[2])["runs"]
        assert (len(found["revisions"]), len(found["pairs"])) == (2, 1)


def test_a_run_that_cannot_be_read_just_now_is_waited_for(tmp_path: Path) -> None:
    first, folder = compiled(), tmp_path / "run"
    begin(folder, first)
    with serving(folder) as server:
        assert ask(server, "/data.json")[0] == 200
        folder.rename(tmp_path / "run.1")
        status, _, said = ask(server, "/data.json")
        assert status == 503
        assert said
        begin(folder, first)
        assert ask(server, "/data.json")[0] == 200


def test_a_build_gives_way_to_its_run_which_keeps_the_source(tmp_path_factory: pytest.TempPathFactory) -> None:
    made: Place = place(tmp_path_factory, batch=256)
    with serving(made.folder / "build/tiny") as server:
        assert json.loads(ask(server, "/data.json")[2])["runs"][0]["curves"] is None
        assert made.train("--epochs-scale", "0.5") == 0
        (made.folder / "tiny.sw").unlink()
        (found,) = json.loads(ask(server, "/data.json")[2])["runs"]
    assert len(found["curves"]["losses"]["deep"]) == 3
    assert [file["name"] for file in found["repeat"]["files"]] == ["tiny.sw", "digits.sw"]
    assert found["repeat"]["commands"] == [
        "swc compile tiny.sw",
        "swc train --epochs-scale 0.5 --device cpu --kernels torch --threads 1",
    ]


def test_an_interrupt_ends_the_server_cleanly(run: Path) -> None:
    command = [sys.executable, "-m", "swc", "report", str(run), "--serve"]
    # what runs in the background ignores interrupts and hands that on: a terminal's child does not
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=listen)  # noqa: PLW1509
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("the report is at http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == "ended\n"
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


def test_a_follower_reads_again_only_what_changed(run: Path) -> None:
    opened: list[int] = []

    def builds() -> tuple[object, ...]:
        opened.append(1)
        return (open_build(run),)

    follower = Follower(builds)  # type: ignore[arg-type]
    follower.report()
    assert follower.report() is follower.report()
    assert len(opened) == 2, "once to learn where the files are, once with their state known"
    (run / "metrics.jsonl").touch()
    follower.report()
    assert len(opened) == 3


def test_a_place_that_is_not_there_is_told_before_anything_is_served(tmp_path: Path) -> None:
    assert main.run(["report", str(tmp_path / "nothing"), "--serve"]) == 1
    with pytest.raises(DiagnosticError):
        Follower(lambda: (open_build(tmp_path / "nothing"),)).report()

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from codetune_ui.core.benchmark_sets import SETS
from codetune_ui.core.errors import SourceError
from codetune_ui.engine import benchmark_files
from codetune_ui.engine.benchmark_files import download, find_file
from codetune_ui.runs.store import Home
from tests.core.benchmarks import infilling, write_rows

SINGLE = SETS["humaneval-single-line"]


class Server(http.server.BaseHTTPRequestHandler):
    """Serves three bytes, and promises four at /short."""

    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Length", "4" if self.path == "/short" else "3")
        self.end_headers()
        self.wfile.write(b"abc")

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_named_file_is_taken_as_it_is(home: Path, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", [infilling()])
    assert find_file(str(file), SINGLE, Home(home)) == (file, str(file))


def test_one_fetched_before_is_taken_again(home: Path) -> None:
    kept = home / "cache" / "benchmarks" / SINGLE.file
    kept.parent.mkdir(parents=True)
    write_rows(kept, [infilling()])
    assert find_file("", SINGLE, Home(home)) == (kept, SINGLE.address)


@pytest.mark.parametrize("name", ["humaneval-multi-line", "safim-block"])
def test_without_a_network_it_is_one_sentence_and_a_way_out(name: str, home: Path) -> None:
    of = next(found for found in SETS.values() if found.name == name)
    with pytest.raises(SourceError, match="cannot be reached") as refusal:
        find_file("", of, Home(home))
    assert of.address in refusal.value.hint
    assert "--file" in refusal.value.hint
    assert list((home / "cache" / "benchmarks").iterdir()) == []


def test_what_is_fetched_has_its_hash_beside_it(
    address: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codetune_ui.core.benchmark_sets.GITHUB", f"{address}/")
    found, source = find_file("", SINGLE, Home(home))
    assert found.read_bytes() == b"abc"
    assert source == f"{address}/{SINGLE.file}"
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (found.parent / f"{SINGLE.file}.sha256").read_text("utf-8").split()[0] == digest


@pytest.mark.parametrize("path", ["gone", "short"])
def test_half_a_file_is_none(
    path: str, address: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(SINGLE), "address", f"{address}/{path}")
    with pytest.raises(SourceError):
        find_file("", SINGLE, Home(home))
    assert list((home / "cache" / "benchmarks").iterdir()) == []


def test_a_download_has_an_end(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_files, "MOST_BYTES", 2)
    with pytest.raises(ValueError, match="too large"):
        download(address, tmp_path / "a")

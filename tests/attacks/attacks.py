"""What an attacker tries, as data; the same list is sent to the page and to the completion server.

Every request is (method, path, headers, body). SECRET stands in files outside the roots: an answer
that holds it has read one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from hypothesis import strategies as st
from starlette import testclient

# Of the library that the test client stands on, whichever one that is.
InvalidURL: type[Exception] = vars(testclient)["httpx"].InvalidURL
SECRET = "outside-the-roots-7f3a"
TIMES = ("", "/..", "/../..", "/../../..", "/../../../..", "/../../../../../../../..")
PAGE_PATHS = (
    "/gradio_api/file={}",
    "/gradio_api/file/{}",
    "/file={}",
    "/gradio_api/proxy=http://{}",
    "/static/{}",
    "/assets/{}",
    "/svelte/{}",
    "/gradio_api/custom_component/{}/client/component/x",
    "/ct/css/{}",
    "/ct/js/{}",
    "/ct/fonts/{}",
    "/ct-api/run?run={}",
    "/ct-api/curves?runs={}",
    "/ct-api/evaluations?run={}&shown={}&ticked={}",
    "/ct-api/evaluations/compare?of={},{}",
    "/ct-api/evaluations/{}/x",
    "/ct-api/evaluations/amber-otter/{}",
    "/ct-api/evaluations/amber-otter/{}/holes",
    "/ct-api/evaluations/amber-otter/{}/report.html",
    "/ct-api/evaluations/amber-otter/x/report.{}",
    "/gradio_api/deep_link?session_hash={}",
    "/gradio_api/heartbeat/{}",
    "/gradio_api/queue/data?session_hash={}",
    "/gradio_api/upload_progress?upload_id={}",
    "/gradio_api/stream/{}/1/1/playlist.m3u8",
    "/monitoring/{}",
    "/login?next={}",
    "/{}",
)
PAGE_POSTS = (
    "/ct-api/runs/{}/rename",
    "/ct-api/runs/{}/delete",
    "/ct-api/runs/amber-otter/{}",
    "/ct-api/evaluations/{}/cancel",
    "/ct-api/evaluations/own/{}/remove",
    "/gradio_api/run/{}",
    "/gradio_api/call/{}",
    "/gradio_api/stream/{}",
)
SERVER_PATHS = ("/v1/models/{}", "/v1/{}", "/health/{}", "/{}")
HOSTS = (
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example:7860",
    "evil.example@127.0.0.1",
    "127.0.0.1@evil.example",
    "[::ffff:192.0.2.1]",
    "0.0.0.0",
    "2130706433",
    "",
)
ORIGINS = (
    "http://evil.example",
    "https://127.0.0.1.evil.example",
    "http://127.0.0.1:1",
    "null",
    "file://",
    "chrome-extension://abcdef",
    "http://[",
)
METHODS = ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "X")
BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"a"',
    b"\xff\xfe",
    b'{"name":' + b"[" * 5000,
    b'{"a":' * 2000,
    b"1" * 5000,
    json.dumps({"name": None, "prompt": {}, "data": 1, "fn_index": "x"}).encode(),
    json.dumps({"name": "../../x", "run": "../..", "text": "\x00", "prompt": "\ud800"}).encode(),
    b'{"prompt": "a", "max_tokens": 1e999}',
    b'{"prompt": "a", "temperature": NaN}',
)


@dataclass(frozen=True)
class Attack:
    """One request, and the statuses that are a right answer to it (none: any below 500)."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    right: tuple[int, ...] = ()


def traversals(outside: str) -> Iterator[str]:
    """Yield spellings of a file outside the roots, and of the links that lead to it."""
    for up in TIMES:
        yield from (f"{up}{outside}", quote(f"{up}{outside}", safe=""), f".{up}{outside}")
    yield from ("....//....//etc/passwd", "..\\..\\etc\\passwd", "%2e%2e/%2e%2e/etc/passwd")
    yield from ("%252e%252e%252fetc%252fpasswd", "/etc/passwd%00.html", "file:///etc/passwd")
    yield from ("http://127.0.0.1:9/x", "http:%2f%2f169.254.169.254/", "C:\\Windows\\win.ini")
    yield from ("~/.ssh/id_rsa", "link", "link.html", "\\\\host\\share", "/proc/self/environ")


def reads(paths: tuple[str, ...], outside: str) -> Iterator[Attack]:
    """Yield a request for every spelling in every place that takes a name."""
    for path in paths:
        for spelling in traversals(outside):
            yield Attack("GET", path.replace("{}", spelling))


def requests(paths: tuple[str, ...]) -> st.SearchStrategy[Attack]:
    """Return requests without end: known paths and made ones, any method, header and body."""
    text = st.text(st.characters(codec="utf-8"), max_size=30).map(lambda t: quote(t, safe="/=?&%"))
    path = st.one_of(
        st.sampled_from(paths).flatmap(lambda p: text.map(lambda t: p.replace("{}", t))),
        text.map(lambda t: f"/{t}"),
    )
    leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    inner = leaf | st.lists(leaf, max_size=4) | st.dictionaries(KEYS, leaf, max_size=5)
    values = inner | st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5)
    body = st.one_of(
        st.binary(max_size=60),
        values.map(lambda v: json.dumps(v).encode()),
        st.sampled_from(BODIES),
    )
    known = {
        "content-type": st.sampled_from(
            ("application/json", "text/plain", "multipart/form-data; boundary=a", "a")
        ),
        "origin": st.sampled_from(ORIGINS),
        "range": st.sampled_from(("bytes=0-", "bytes=-9", "bytes=9-1", "x")),
        "authorization": st.sampled_from(("Basic", "Basic ???", "Bearer x", "Digest a")),
    }
    headers = st.fixed_dictionaries({}, optional=known)
    method = st.sampled_from(("GET", "GET", "POST", "POST", "POST", "HEAD", *METHODS))
    return st.builds(Attack, method, path, headers, body)


# fmt: off
KEYS = st.sampled_from([
    "name", "run", "text", "path", "data", "fn_index", "session_hash", "event_id", "prompt",
    "suffix", "model", "max_tokens", "stop", "stream", "input_extra", "fn_name", "component_id",
    "holes", "seed", "kinds", "holes_of", "trigger_id", "n", "x",
])
# fmt: on

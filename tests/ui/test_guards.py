from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from codetune_ui.ui.bounds import MOST_FILES
from codetune_ui.ui.guards import add_guards
from codetune_ui.ui.headers import POLICY
from codetune_ui.ui.password import Password

OWN_ROUTE = "/ct-api/demo"
OWN = {"origin": "http://127.0.0.1:7860", "host": "127.0.0.1:7860"}


def client(host: str = "127.0.0.1", auth: tuple[str, str] | None = None) -> TestClient:
    api = FastAPI()

    @api.get("/")
    @api.api_route(OWN_ROUTE, methods=["GET", "POST"])
    def answer() -> str:
        return "in"

    @api.post("/gradio_api/run/predict")
    async def read(request: Request) -> int:
        return len(await request.body())

    add_guards(api, host, auth)
    return TestClient(api, base_url="http://127.0.0.1:7860")


def test_the_pages_own_requests_come_in() -> None:
    assert client().post(OWN_ROUTE, headers=OWN).status_code == 200
    assert client().get("/").status_code == 200


def test_a_foreign_name_for_this_machine_is_refused() -> None:
    assert client().get("/", headers={"host": "evil.example"}).status_code == 400


def test_a_foreign_page_cannot_post() -> None:
    assert client().post(OWN_ROUTE, headers={"origin": "http://evil.example"}).status_code == 403
    assert client().post(OWN_ROUTE, headers={"origin": "null"}).status_code == 403
    assert client().post(OWN_ROUTE, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_another_local_port_is_foreign() -> None:
    assert client().post(OWN_ROUTE, headers={"origin": "http://127.0.0.1:9999"}).status_code == 403


def test_a_link_on_another_site_may_lead_here() -> None:
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client().get("/", headers=followed).status_code == 200
    assert client().post(OWN_ROUTE, headers=followed).status_code == 403


def test_a_forwarded_port_works() -> None:
    headers = {"origin": "http://localhost:9000", "host": "localhost:9000"}
    assert client().post(OWN_ROUTE, headers=headers).status_code == 200


def test_without_the_password_nothing_is_answered() -> None:
    guarded = client("0.0.0.0", ("ann", "s3crët"))
    refused = guarded.get("/")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="CodeTune UI", charset="UTF-8"'
    assert guarded.get("/", auth=("ann", "wrong")).status_code == 401
    assert guarded.get("/", headers={"authorization": "Basic ???"}).status_code == 401
    assert guarded.get("/", auth=(b"ann", "s3crët".encode())).status_code == 200
    assert guarded.get("/", auth=(b"ann", b"wrong")).status_code == 401
    assert guarded.get("/", auth=(b"ann", "s3crët".encode())).status_code == 200


def test_the_eleventh_guess_of_a_minute_is_not_looked_at() -> None:
    guarded = client("0.0.0.0", ("ann", "secret"))
    found = [guarded.get("/", auth=("ann", str(number))).status_code for number in range(11)]
    assert found == [401] * 10 + [429]
    assert guarded.get("/", auth=("ann", "secret")).status_code == 429


def test_who_is_in_stays_in_while_others_guess() -> None:
    guarded = client("0.0.0.0", ("ann", "secret"))
    assert guarded.get("/", auth=("ann", "secret")).status_code == 200
    for number in range(11):
        guarded.get("/", auth=("ann", str(number)))
    assert guarded.get("/", auth=("ann", "secret")).status_code == 200


def test_the_password_is_not_kept() -> None:
    kept = Password(FastAPI(), user="ann", password="very-secret")
    assert b"very-secret" not in b"".join(v for v in vars(kept).values() if isinstance(v, bytes))


def test_an_open_page_answers_to_an_address_and_to_no_foreign_name() -> None:
    guarded = client("0.0.0.0", ("ann", "secret"))
    known = {"host": "192.0.2.7:7860"}
    assert guarded.get("/", auth=("ann", "secret"), headers=known).status_code == 200
    for name in ("evil.example", "127.0.0.1.evil.example", "", "[::1", "a@b\\c"):
        assert guarded.get("/", headers={"host": name}).status_code == 400, name


def test_a_page_on_loopback_answers_to_loopback_alone() -> None:
    for name in ("127.0.0.1", "localhost:9", "[::1]:7860"):
        assert client().get("/", headers={"host": name}).status_code == 200, name
    assert client().get("/", headers={"host": "192.0.2.7"}).status_code == 400


def test_a_malformed_origin_is_foreign() -> None:
    assert client().post(OWN_ROUTE, headers={"origin": "http://["}).status_code == 403


def test_no_site_may_show_the_page_in_a_frame() -> None:
    framed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = client().get("/", headers=framed | {"sec-fetch-dest": "iframe"})
    assert answer.status_code == 403
    assert "frame-ancestors 'none'" in POLICY


def test_a_route_the_page_does_not_use_is_closed() -> None:
    for path in ("/gradio_api/file=/etc/passwd", "/login", "/gradio_api/proxy=x", "/monitoring"):
        assert client().get(path).status_code == 404, path


def test_a_body_that_is_too_long_is_refused_however_it_is_sent() -> None:
    piece = b"a" * 1_000_000
    assert client().post(OWN_ROUTE, headers=OWN, content=piece * 21).status_code == 413
    many = (piece for _ in range(21))
    assert client().post("/gradio_api/run/predict", content=many).status_code == 413


def test_uploads_are_counted(tmp_path: Path) -> None:
    for number in range(MOST_FILES):
        (tmp_path / str(number)).touch()
    api = FastAPI()
    add_guards(api, "127.0.0.1", None, tmp_path)
    answer = TestClient(api, base_url="http://127.0.0.1").post("/gradio_api/upload", content=b"a")
    assert answer.status_code == 429

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetune_ui.core.config import Config
from codetune_ui.core.document import Document
from codetune_ui.core.errors import ConfigError, SourceError
from codetune_ui.core.pipeline import collect
from codetune_ui.core.source import open_sources, read_source
from codetune_ui.core.sources import (
    SourceSpec,
    check_git_url,
    format_sources,
    is_git_url,
    is_hub_source,
    masked,
    parse_sources,
    short_names,
    shown,
)
from tests.repos import CODE, write

PLACES = st.text("abc/._-* ", min_size=1).map(str.strip).filter(lambda p: p and " *" not in p)
WEIGHTS = st.integers(1, 10_000).map(lambda hundredths: hundredths / 100)


@given(st.lists(st.builds(SourceSpec, PLACES.filter(lambda p: p[0] != "*"), WEIGHTS), min_size=1))
def test_what_is_formatted_is_parsed_again(specs: list[SourceSpec]) -> None:
    assert parse_sources(format_sources(specs)) == specs


def test_a_path_that_exists_is_one_source_whatever_is_in_it(tmp_path: Path) -> None:
    odd = tmp_path / "a; b *2"
    odd.mkdir()
    assert parse_sources(str(odd)) == [SourceSpec(str(odd))]


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "101", "x", ""])
def test_a_weight_that_is_none_is_refused(weight: str) -> None:
    with pytest.raises(ConfigError, match="a weight that is none") as caught:
        parse_sources(f"/home/me/app; /home/me/old *{weight}")
    assert caught.value.field == "source"


def test_a_place_with_a_semicolon_cannot_stand_among_several() -> None:
    with pytest.raises(ConfigError, match="holds a ';'"):
        format_sources([SourceSpec("/a;b"), SourceSpec("/c")])


def test_names_of_sources_are_short_and_unlike() -> None:
    places = ["/a/app", "/b/App/", "hub:own/data@test", "https://h/x/app.git", "/x/dist", "/"]
    names = short_names([SourceSpec(place) for place in places])
    assert names == ["app", "App-2", "data", "app-3", "dist-code", "source"]


def test_a_hub_dataset_among_several_does_not_make_all_a_hub_source() -> None:
    assert not is_hub_source("hub:a/b; /home/me/app")
    assert is_hub_source("hub:a/b")


@pytest.mark.parametrize(
    "text",
    [
        "https://h/a/b",
        "ssh://git@h:22/a",
        "git@h:a/b.git",
        "file:///a",
        "git://h/a",
        "ext::sh -c x",
    ],
)
def test_git_urls_are_known(text: str) -> None:
    assert is_git_url(text)


@pytest.mark.parametrize("text", ["OWNER/NAME", "hub:a/b", "/a/b", "C:\\code", "C:/code", "demo"])
def test_what_is_no_git_url(text: str) -> None:
    assert not is_git_url(text)


@pytest.mark.parametrize("url", ["https://h/a/b.git", "ssh://git@h:22/a", "git@h:a/b", "file:///a"])
def test_good_urls_pass(url: str) -> None:
    check_git_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x",
        "http://h/a",
        "git://h/a",
        "ssh://-oProxyCommand=x/a",
        "ssh://git@-oProxyCommand=x/a",
        "git@-oProxyCommand=x:a",
        "-oProxyCommand=x@h:a",
        "https://-h/a",
        "https:///a",
        "https://h/a\n--upload-pack=x",
        "https://h/a b",
        "ftp://h/a",
        "--upload-pack=x",
    ],
)
def test_urls_that_could_do_more_than_fetch_are_refused(url: str) -> None:
    with pytest.raises(SourceError):
        check_git_url(url)


@pytest.mark.parametrize("login", ["me:hunter2", "hunter2", ":hunter2"])
def test_a_login_in_a_url_is_refused_and_not_repeated(login: str) -> None:
    url = f"https://{login}@host/a.git"
    with pytest.raises(SourceError, match=r"https://\*\*\*@host/a\.git") as caught:
        check_git_url(url)
    assert "hunter2" not in str(caught.value)
    assert masked(url) == "https://***@host/a.git"


def test_a_password_over_ssh_is_refused_too() -> None:
    with pytest.raises(SourceError) as caught:
        check_git_url("ssh://git:hunter2@host/a")
    assert "hunter2" not in str(caught.value)


def test_several_sources_are_told_apart_by_path_and_group(tmp_path: Path) -> None:
    write(tmp_path, {"one/app/src/a.py": CODE, "two/app/src/a.py": CODE + "# two\n"})
    source = f"{tmp_path}/one/app; {tmp_path}/two/app *0.5"
    found = list(read_source(Config(source=source), demo_code=tmp_path))
    assert [(d.path, d.group, d.weight) for d in found if isinstance(d, Document)] == [
        ("app/src/a.py", "app/src", 1.0),
        ("app-2/src/a.py", "app-2/src", 0.5),
    ]


def test_a_copy_in_another_source_is_found(tmp_path: Path) -> None:
    text = "".join(f"value_{n} = compute({n})\n" for n in range(20))
    write(tmp_path, {"one/a.py": text, "two/b.py": text})
    config = Config(source=f"{tmp_path}/one; {tmp_path}/two")
    found = list(collect(read_source(config, demo_code=tmp_path), config))
    assert [(item.path, getattr(item, "detail", "")) for item in found] == [
        ("one/a.py", ""),
        ("two/b.py", "of one/a.py"),
    ]


def test_patterns_see_the_paths_that_the_scan_shows(tmp_path: Path) -> None:
    write(tmp_path, {"one/a.py": CODE, "two/a.py": CODE, "two/dist/b.py": CODE})
    config = Config(
        source=f"{tmp_path}/one; {tmp_path}/two", exclude="one/a.py", force_in="two/dist/b.py"
    )
    # the first source holds no other code, so only what came before that is told
    found = read_source(config, demo_code=tmp_path)
    assert [str(getattr(next(found), "reason", "kept"))] == ["matches 'Not these files'"]
    both = config.replace(source=f"{tmp_path}/two; {tmp_path}/one", exclude="two/a.py")
    told = {i.path: isinstance(i, Document) for i in read_source(both, demo_code=tmp_path)}
    assert told == {"two/a.py": False, "two/dist/b.py": True, "one/a.py": True}


def test_a_missing_source_is_named_before_anything_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"one/a.py": CODE})
    config = Config(source=f"{tmp_path}/one; {tmp_path}/nothing")
    with pytest.raises(SourceError, match="no folder or file"):
        read_source(config, demo_code=tmp_path)
    with pytest.raises(SourceError, match="no folder or file"):
        open_sources(config, demo_code=tmp_path)


def test_opening_sources_asks_no_network_and_refuses_bad_urls(tmp_path: Path) -> None:
    open_sources(Config(source="https://nobody.invalid/a.git; hub:a/b"), demo_code=tmp_path)
    with pytest.raises(SourceError, match="neither https nor ssh"):
        open_sources(Config(source="ext::sh -c x"), demo_code=tmp_path)


def documents(weight: float, count: int = 400) -> list[Document]:
    return [Document("x", f"{n}.py", "Python", f"{n}", weight=weight) for n in range(count)]


def test_weight_one_shows_the_very_same_documents() -> None:
    given_ones = documents(1.0)
    assert all(a is b for a, b in zip(shown(given_ones, 0, 3), given_ones, strict=True))


@given(weight=st.floats(0.01, 5), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_no_path_is_shown_twice_and_each_as_often_as_its_weight(
    weight: float, seed: int, epoch: int
) -> None:
    paths = [d.path for d in shown(documents(weight, 40), seed, epoch)]
    assert len(paths) == len(set(paths))
    times = [sum(p == f"{n}.py" or p.startswith(f"{n}.py (") for p in paths) for n in range(40)]
    assert set(times) <= {int(weight), int(weight) + 1}


def test_half_a_weight_is_half_of_the_files_and_others_each_epoch() -> None:
    first = {d.path for d in shown(documents(0.5), 0, 0)}
    second = {d.path for d in shown(documents(0.5), 0, 1)}
    assert 150 < len(first) < 250
    assert first != second
    assert first == {d.path for d in shown(documents(0.5), 0, 0)}

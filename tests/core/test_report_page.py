from __future__ import annotations

import re
from html.parser import HTMLParser

from codetune_ui.core.report_page import page
from tests.core.made import filled, made

HOSTILE = "</pre><script>alert('\"&x')</script><img src=x onerror=y>"
VOID = {"meta", "line", "circle", "rect"}


class Reader(HTMLParser):
    """Notes the elements, and those that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the base's
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_verdict_comes_first() -> None:
    found = made(*[filled("a = 11", "a = 12", "a = 11")] * 8)
    text = Reader(page(found)).text
    assert text.index("Better · calm-otter") < text.index(found["sentence"])
    assert text.index(found["sentence"]) < text.index("Adapter against base")


def test_code_is_shown_and_never_becomes_markup() -> None:
    plain = Reader(page(made(filled("a = 1111", "b", "c"))))
    found = Reader(page(made(filled(HOSTILE, HOSTILE + "1", HOSTILE, path=HOSTILE + ".py"))))
    assert found.open == []
    assert found.seen.count("script") == 1
    assert "img" not in found.seen
    assert sorted(set(found.seen)) == sorted(set(plain.seen))
    assert found.text.count(HOSTILE) == 4  # the path, the truth, and both answers


def test_every_attribute_with_code_is_closed_by_its_own_quote() -> None:
    html = page(made(filled('"><b x="', "' onclick='", "a")))
    assert html.count('data-key="&quot;&gt;&lt;b x=&quot;"') == 1
    assert "<b x=" not in html


def test_nothing_is_fetched() -> None:
    html = page(made(filled("a = 1111", "b", "c")))
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|src=", html)


def test_what_differs_from_the_truth_is_marked() -> None:
    html = page(made(filled("a = 1", "a = 2", "a = 1")))
    assert "<pre>a = <del>1</del><mark>2</mark></pre>" in html


def test_what_an_answer_lacks_is_struck() -> None:
    html = page(made(filled("return [one, two]", "return [one]", "return [one, two]")))
    assert "<pre>return [one<del>, two</del>]</pre>" in html
    assert "<pre><del>&lt;i&gt;</del></pre>" in page(made(filled("<i>", "", "<i>")))


def test_marks_are_told_to_those_who_cannot_see_them() -> None:
    html = page(made(filled("a = 1", "a = 2", "a = 1")))
    assert 'del::before{content:" [missing: "}' in html
    assert 'mark::before{content:" [not in the truth: "}' in html


def test_the_price_stands_beside_the_gain() -> None:
    found = made(filled("a = 1", "a = 2", "a = 1"))
    assert "The price" not in page(found)
    nats = {"base": 0.407, "adapter": 0.412, "difference": [0.005, 0.001, 0.009]}
    part = {"holes": 2, "files": 2, "nats_per_char": nats}
    price = part | {"sentence": "Less sure, <b>.", "by_language": {"C++": part}}
    text = page(found | {"forgetting": price})
    assert "<p>Less sure, &lt;b&gt;. It is measured on 2 short files" in text
    assert (
        '<tr><td>C++</td><td class="n">2</td><td class="n">0.407</td><td class="n">0.412</td>'
        '<td class="n worse">+0.005 (+0.001 to +0.009)</td></tr>'
    ) in text


def test_each_kind_has_its_interval() -> None:
    html = page(made(*[filled("a = 11", "a = 12", "a = 11")] * 8))
    assert html.count("<circle") == 4  # all holes and one kind, in two charts
    assert "line (8)" in html

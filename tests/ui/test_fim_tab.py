from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from codetune_ui.core.config import Config
from codetune_ui.core.errors import ModelError
from codetune_ui.runs.state import Status
from codetune_ui.runs.store import Home, Run
from codetune_ui.ui import fim_figures, fim_samples, fim_tokens, fim_view
from codetune_ui.ui.fim_files import find
from codetune_ui.ui.fim_tab import Asked, draw, draw_tokens
from tests.tiny import SOME_CODE, STARCODER_TOKENS, build_tokenizer

EVIL = "<script>alert(1)</script> ${location} & \"quoted\" '<fim_prefix>'"


def make_scan(home: Path, folder: Path, texts: dict[str, str], **changes: Any) -> Run:
    """Return a finished scan of some texts; its model is a StarCoder without weights."""
    model = build_tokenizer(folder / "model")
    (model / "config.json").write_text('{"model_type": "gpt_bigcode"}', encoding="utf-8")
    values = {"base_model": str(model), "max_seq_len": 128, "fim_rate": 1.0, **changes}
    made = Home(home).create_scan(Config.from_dict(values))
    with (made.path / "documents.jsonl").open("w", encoding="utf-8") as file:
        for path, text in texts.items():
            split = "val" if path.startswith("held") else "train"
            row = {"path": path, "language": "Python", "group": "", "split": split, "text": text}
            file.write(json.dumps(row) + "\n")
    made.write_status(Status(state="finished"))
    return made


@pytest.fixture
def scan(home: Path, tmp_path: Path) -> Run:
    texts = {"a.py": "".join(SOME_CODE) * 6, "evil.py": f"x = 1\n{EVIL}\n", "held.py": "y = 2\n"}
    return make_scan(home, tmp_path, texts)


def shown(scan: Run, mode: str = "drawn", path: str = "", number: int = 1, **changes: Any) -> str:
    """Return the view of one sample under the scan's settings, some of them changed."""
    values = scan.config().to_dict() | changes
    return draw(Asked(scan.home, scan.name, values, mode, path, number))[0]


def text_of(markup: str) -> str:
    return re.sub(r"<[^>]*>", "", markup)


def test_nothing_scanned_is_one_sentence_and_a_button(home: Path) -> None:
    view, table = draw(Asked(Home(home), "", Config().to_dict()))
    assert "No code scanned yet." in view
    assert 'data-go="data"' in view
    assert table == ""


def test_a_scan_that_is_reading_is_waited_for(scan: Run) -> None:
    scan.write_status(Status(state="created"))
    assert "data-wait" in shown(scan)


def test_a_scan_that_is_gone_is_said(home: Path) -> None:
    view, _ = draw(Asked(Home(home), "20260101-000000-abcdef", Config().to_dict()))
    assert "There is no scan" in view


def test_the_trained_sample_is_told_in_its_order(scan: Run) -> None:
    psm = text_of(shown(scan, "psm", spm_rate=0.5).split("What the model is trained on")[1])
    spm = text_of(shown(scan, "spm", spm_rate=0.5).split("What the model is trained on")[1])
    chips = r"&lt;fim_prefix&gt;.*&lt;fim_suffix&gt;.*&lt;fim_middle&gt;.*&lt;\|endoftext\|&gt;"
    assert re.search(chips, psm, re.DOTALL)
    assert "&lt;fim_prefix&gt;&lt;fim_suffix&gt;" in spm
    assert "PSM: prefix, suffix, middle" in psm
    assert "SPM: suffix first, prefix and middle joined" in spm


def test_the_token_bar_has_the_tokenizers_own_counts(scan: Run) -> None:
    deck = fim_samples.deck(scan, scan.config())
    sample = fim_view.pick(deck, "psm", 1).sample
    assert sample is not None
    tokenizer = deck.recipe.tokenizer
    counts = [
        len(tokenizer.encode(part))
        for part in (sample.example.prefix, sample.example.suffix, sample.example.middle)
    ]
    bar = re.findall(r"<b>(\w+)</b> ([\d,]+) tok", shown(scan, "psm"))
    assert bar == [
        ("prefix", str(counts[0])),
        ("suffix", str(counts[1])),
        ("middle", str(counts[2])),
    ]


def test_code_is_escaped_everywhere(scan: Run) -> None:
    view, table = draw(Asked(scan.home, scan.name, scan.config().to_dict(), path="evil.py"))
    assert "<script" not in view + table
    assert "&lt;script&gt;alert(1)&lt;/script&gt; ${location} &amp; &quot;quoted&quot;" in text_of(
        view
    )


def test_the_hole_is_marked_in_the_file(scan: Run) -> None:
    deck = fim_samples.deck(scan, scan.config(), "a.py")
    sample = fim_view.pick(deck, "psm", 1).sample
    assert sample is not None
    marked = re.findall(r'<mark class="mid">(.*?)</mark>', shown(scan, "psm", "a.py"))
    joined = "".join(text_of(piece) for piece in marked)
    escaped = html.escape(sample.example.middle.replace("\n", ""))
    assert joined == escaped


def test_samples_follow_each_other_and_begin_again(scan: Run) -> None:
    deck = fim_samples.deck(scan, scan.config())
    total = len(deck.samples)
    assert fim_view.pick(deck, "drawn", 2).sample is deck.samples[1]
    assert fim_view.pick(deck, "drawn", total + 1).index == 1
    assert f"sample 2 of {total}" in text_of(shown(scan, number=2))


def test_one_file_can_be_looked_at(scan: Run) -> None:
    deck = fim_samples.deck(scan, scan.config(), "evil.py")
    assert {sample.example.path for sample in deck.samples} == {"evil.py"}
    assert len(deck.samples) == fim_samples.EPOCHS


def test_windows_say_where_in_the_file_they_stand(scan: Run) -> None:
    config = scan.config().replace(fim_rate=0.0)
    deck = fim_samples.deck(scan, config)
    windows = [sample for sample in deck.samples if sample.example.path == "a.py"]
    assert windows[0].first_line == 1
    lines = windows[0].example.source.count("\n")
    assert windows[1].first_line == 1 + lines


def test_held_out_files_are_not_shown_as_training(scan: Run) -> None:
    assert "held.py" not in fim_samples.paths(scan)
    assert find(scan.home, scan.name, "") == ["a.py", "evil.py"]


def test_shares_and_whole_prompts_are_measured(scan: Run) -> None:
    deck = fim_samples.deck(scan, scan.config().replace(fim_rate=0.5))
    assert deck.count("psm") + deck.count("spm") + deck.count("ltr") == len(deck.samples)
    assert deck.figures.holes == deck.count("psm") + deck.count("spm")
    assert deck.figures.whole_prompts == deck.figures.holes
    text = text_of(shown(scan))
    assert "100% of" in text
    assert "have their whole prompt in the row" in text


def test_the_family_is_named_with_the_evidence_for_it(scan: Run) -> None:
    view = shown(scan)
    assert "StarCoder, pretrained in PSM and SPM" in text_of(view)
    assert "&lt;fim_middle&gt; 2; the model is a gpt_bigcode." in view


def test_an_order_the_model_never_saw_is_explained(scan: Run) -> None:
    view = shown(scan, "spm", family="granite-code")
    assert "Granite Code was pretrained in PSM only: no sample is SPM." in text_of(view)


def test_no_left_to_right_sample_at_a_rate_of_one(scan: Run) -> None:
    assert "No sample is left to right at this FIM rate." in text_of(shown(scan, "ltr"))


def test_left_to_right_only_is_shown_as_such(scan: Run) -> None:
    view = text_of(shown(scan, left_to_right=True))
    assert "left to right: as the file reads" in view
    assert "Trained left to right only" in view


def test_loss_on_the_middle_fades_the_rest(scan: Run) -> None:
    view = shown(scan, "psm", loss_on="middle")
    assert "loss on the middle" in view
    assert 'class="seg p faded"' in view
    assert 'class="seg m"' in view


def test_a_setting_out_of_its_limits_is_a_sentence(scan: Run) -> None:
    assert "FIM rate is 2, outside 0 to 1." in text_of(shown(scan, fim_rate=2))


def test_a_model_without_fim_tokens_is_a_sentence_with_a_way_out(
    home: Path, tmp_path: Path
) -> None:
    scan = make_scan(home, tmp_path, {"a.py": "x = 1\n"})
    build_tokenizer(tmp_path / "model", special_tokens=["<|endoftext|>"])
    assert "switch on &#x27;Train left to right only&#x27;" in shown(scan)


def test_the_figures_of_what_is_learned_are_shown(scan: Run) -> None:
    view = shown(scan, loss_on="middle")
    figures = fim_samples.deck(scan, scan.config().replace(loss_on="middle")).figures
    text = text_of(view)
    assert f"{figures.chars_per_token:.2f} characters per token" in text
    assert f"{figures.learned_share:.1%} of {figures.tokens:,} tokens carry loss" in text
    bars = re.findall(r'title="([\d,]+) middles of', view)
    assert sum(int(count) for count in bars) == figures.holes


def test_truncate_or_pad_says_which_prompts_it_cuts(scan: Run) -> None:
    text = text_of(shown(scan, fit="truncate_or_pad", span="characters"))
    assert "100%" not in text.split("of 2")[0].split("samples")[-1]
    assert "have their whole prompt in the row: truncate_or_pad cuts the other suffixes" in text


def test_a_share_that_is_not_all_is_never_rounded_up_to_it(scan: Run) -> None:
    deck = fim_samples.deck(scan, scan.config())
    figures = replace(deck.figures, modes={"psm": 9999, "spm": 1, "ltr": 0}, whole_prompts=9999)
    assert "99.9% of 10,000 holes" in text_of(fim_figures.figures(replace(deck, figures=figures)))


def token_rows(table: str) -> list[tuple[str, ...]]:
    """Return position, part, text, id and loss of every row."""
    cells = r"<tr[^>]*>" + "".join(r"<td>(.*?)</td>" for _ in range(5))
    return re.findall(cells, table)


def test_the_table_lists_every_token_with_part_id_loss_and_position(scan: Run) -> None:
    deck = fim_samples.deck(scan, scan.config())
    sample = fim_view.pick(deck, "psm", 1).sample
    assert sample is not None
    example = sample.example
    rows = token_rows(fim_tokens.token_table(sample, deck.recipe))
    assert [int(row[0]) for row in rows] == list(range(len(example.ids)))
    assert [int(row[3]) for row in rows] == example.ids
    assert [row[4] == "learned" for row in rows] == [label != -100 for label in example.labels]
    parts = ["", *["prefix"] * example.prefix_tokens, "", *["suffix"] * example.suffix_tokens]
    assert [row[1] for row in rows] == [*parts, "", *["middle"] * example.middle_tokens, ""]
    assert rows[0][2] == '<span class="sp e">&lt;fim_prefix&gt;</span>'


def test_the_parts_of_spm_follow_its_order(scan: Run) -> None:
    deck = fim_samples.deck(scan, scan.config())
    sample = fim_view.pick(deck, "spm", 1).sample
    assert sample is not None
    names = fim_tokens.part_names(sample.example, deck.recipe)
    assert names[:2] == ["", ""]
    assert [name for name, _ in groupby(names)] == ["", "suffix", "", "prefix", "middle", ""]


def test_the_context_is_shown_before_the_prompt_faded_and_named(home: Path, tmp_path: Path) -> None:
    texts = {"a.py": "import b\n" + "".join(SOME_CODE), "b.py": "<b> = 1\n"}
    scan = make_scan(home, tmp_path, texts, max_seq_len=512)
    build_tokenizer(tmp_path / "model", special_tokens=[*STARCODER_TOKENS, "<reponame>"])
    changes: dict[str, Any] = {"repo_context": "neighbours", "source": "/home/me/shop"}
    view = shown(scan, "psm", "a.py", **changes)
    flow = view.split('class="code flow">')[1]
    assert text_of(flow).startswith(
        "&lt;reponame&gt;shop&lt;filename&gt;b.py\n&lt;b&gt; = 1\n&lt;filename&gt;a.py\n"
        "&lt;fim_prefix&gt;"
    )
    assert '<span class="seg c faded">b.py\n&lt;b&gt; = 1\n</span>' in flow
    deck = fim_samples.deck(scan, scan.config().replace(**changes), "a.py")
    sample = fim_view.pick(deck, "psm", 1).sample
    assert sample is not None
    names = fim_tokens.part_names(sample.example, deck.recipe)
    assert len(names) == len(sample.example.ids)
    assert [name for name, _ in groupby(names)][:3] == ["context", "", "prefix"]
    assert f"<b>context</b> {sample.example.context.size} tok" in view
    assert deck.figures.whole_prompts == deck.figures.holes


def test_a_tokenizer_without_the_tokens_of_a_path_is_a_sentence(scan: Run) -> None:
    text = text_of(shown(scan, repo_context="path", source="/home/me/shop"))
    assert (
        "The tokenizer has no token &lt;reponame&gt;, which StarCoder puts before a path." in text
    )


def test_pads_are_no_part_of_the_text(scan: Run) -> None:
    deck = fim_samples.deck(scan, scan.config())
    sample = fim_view.pick(deck, "psm", 1).sample
    assert sample is not None
    example = sample.example
    place = len(example.ids) - example.middle_tokens - 2
    padded = replace(example, ids=[*example.ids[:place], 4, 4, *example.ids[place:]])
    names = fim_tokens.part_names(padded, deck.recipe)
    assert len(names) == len(padded.ids)
    assert names[place - 1 : place + 4] == ["suffix", "", "", "", "middle"]


def long_sample(deck: fim_samples.Deck, times: int) -> fim_samples.Sample:
    """Return a sample whose tokens are those of another, many times over."""
    sample = fim_view.pick(deck, "ltr", 1).sample
    assert sample is not None
    example = sample.example
    many = replace(
        example,
        ids=example.ids * times,
        labels=example.labels * times,
        prefix_tokens=len(example.ids) * times,
    )
    return replace(sample, example=many)


def test_a_long_sample_is_shown_page_by_page(scan: Run) -> None:
    deck = fim_samples.deck(scan, scan.config().replace(fim_rate=0.0))
    sample = long_sample(deck, 10)
    count = len(sample.example.ids)
    whole = [
        row
        for page in range(1, fim_tokens.pages(sample) + 1)
        for row in token_rows(fim_tokens.token_table(sample, deck.recipe, page))
    ]
    assert count > 2 * fim_tokens.PAGE
    assert [int(row[3]) for row in whole] == sample.example.ids
    second = fim_tokens.token_table(sample, deck.recipe, 2)
    assert f"Tokens 201 to 400 of {count:,}." in text_of(second)
    assert fim_tokens.token_table(sample, deck.recipe, 99).startswith('<p class="fim-page">Tokens ')


def test_the_table_turns_and_finds_the_middle(scan: Run) -> None:
    values = scan.config().to_dict() | {"max_seq_len": 2048}
    asked = Asked(scan.home, scan.name, values, "psm", "a.py")
    deck = fim_samples.deck(scan, Config.from_dict(values), "a.py")
    sample = fim_view.pick(deck, "psm", 1).sample
    assert sample is not None
    table, page = draw_tokens(asked, 0)
    assert page == fim_tokens.page_of_middle(sample) > 1
    assert any(row[1] == "middle" for row in token_rows(table))
    assert draw_tokens(asked, page + 50)[1] == fim_tokens.pages(sample)
    assert draw_tokens(asked, -3)[1] == 1


def test_files_are_found_by_any_part_of_their_path(home: Path, tmp_path: Path) -> None:
    texts = {f"pkg{n // 100}/module_{n}.py": f"v = {n}\n" for n in range(3000)}
    scan = make_scan(home, tmp_path, texts)
    assert len(find(scan.home, scan.name, "")) == fim_samples.MOST_FILES
    assert find(scan.home, scan.name, "MODULE_2999") == ["pkg29/module_2999.py"]
    assert find(scan.home, scan.name, "pkg12 7.py")[:3] == [
        "pkg12/module_1207.py",
        "pkg12/module_1217.py",
        "pkg12/module_1227.py",
    ]


def test_without_a_scan_there_are_no_files(home: Path) -> None:
    assert find(Home(home), "", "") == []
    assert find(Home(home), "never-made", "a") == []


def test_a_part_of_a_name_shows_the_first_file_that_has_it(scan: Run) -> None:
    assert "evil.py" in shown(scan, path="evi")
    assert "No file of the set has this name" in shown(scan, path="nowhere.py")


def test_another_setting_encodes_no_document_again(scan: Run, monkeypatch: Any) -> None:
    deck = fim_samples.deck(scan, scan.config())
    asked: list[str] = []
    real = type(deck.recipe.tokenizer).encode_batch

    def counting(self: Any, texts: list[str], *, continues: bool = False) -> list[list[int]]:
        asked.extend(texts)
        return real(self, texts, continues=continues)

    monkeypatch.setattr(type(deck.recipe.tokenizer), "encode_batch", counting)
    fim_samples.deck(scan, scan.config().replace(seed=5, fim_rate=0.9, span="characters"))
    assert max(len(text) for text in asked) < len("".join(SOME_CODE) * 6)
    assert "".join(SOME_CODE) * 6 not in asked


def test_long_parts_are_folded(home: Path, tmp_path: Path) -> None:
    text = "".join(f"v{number} = {number}\n" for number in range(120))
    scan = make_scan(home, tmp_path, {"long.py": text}, max_seq_len=2048)
    view = shown(scan, "drawn", fim_rate=0.0)
    assert "<summary>… 89 lines</summary>" in view
    assert text_of(view.split('class="code flow"')[1]).count("v60") == 1


def test_a_changed_documents_file_is_read_again(scan: Run) -> None:
    assert fim_samples.paths(scan) == ["a.py", "evil.py"]
    row = {"path": "new.py", "language": "", "group": "", "split": "train", "text": "z = 3\n"}
    file = scan.path / "documents.jsonl"
    file.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert fim_samples.paths(scan) == ["new.py"]


def test_a_hub_model_is_looked_for_where_the_scan_put_it(scan: Run, tmp_path: Path) -> None:
    config = scan.config().replace(base_model="someone/model")
    with pytest.raises(ModelError, match="tokenizer of someone/model is not on this machine"):
        fim_samples.model_folder(scan, config)
    hub = Home(scan.home.path).create_scan(config)
    report = {"model": str(tmp_path / "model")}
    (hub.path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert fim_samples.model_folder(hub, config) == tmp_path / "model"


def test_white_space_in_tokens_is_seen() -> None:
    assert fim_tokens.visible("\tif x:\r\n") == "⇥if·x:␍⏎"

from __future__ import annotations

import gradio as gr
import pytest

from codetune_ui.core.errors import RunError
from codetune_ui.ui.context import attach, empty, shown_errors


def test_an_error_of_ours_becomes_the_pages_message() -> None:
    with pytest.raises(gr.Error) as caught, shown_errors():
        raise RunError("There is a run named 'x' already.", "Choose another name.")
    assert caught.value.message == "There is a run named 'x' already. Choose another name."
    assert caught.value.print_exception is False


def test_a_bug_stays_a_bug() -> None:
    with pytest.raises(ZeroDivisionError), shown_errors():
        _ = 1 / 0


def test_an_empty_tab_has_one_sentence_and_one_button() -> None:
    assert empty("No code <yet>.", "Open Model & Data", "data") == (
        '<div class="empty"><p>No code &lt;yet&gt;.</p>'
        '<button class="btn" data-go="data">Open Model &amp; Data</button></div>'
    )
    assert "<button" not in empty("Nothing.")


def test_an_element_waits_in_the_queue_until_the_script_is_there() -> None:
    assert attach("tiles") == "(window.ctQueue ??= []).push(['tiles', element, watch])"

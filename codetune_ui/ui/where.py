"""Where a run trains, chosen on the Train tab: this machine, or a cluster that it can reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import gradio as gr
from gradio.blocks import Block

from codetune_ui.runs.elsewhere import choose, clusters_here
from codetune_ui.runs.placement import CLUSTERS, EXAMPLES, HERE, Placement
from codetune_ui.ui.context import QUIET

ASKED = {
    "slurm": "Long options of sbatch, gpus=N, cpus=N.",
    "sky": "Resources of its task, commas between.",
}


class Where(NamedTuple):
    """The two widgets: which place, and what is asked of it."""

    place: gr.Radio
    options: gr.Textbox

    @property
    def blocks(self) -> list[Block]:
        """Both, as the inputs of an event."""
        return list(self)

    def is_here(self, given: Mapping[Any, Any]) -> bool:
        """Say whether it is this machine."""
        return (given.get(self.place) or HERE) == HERE

    def read(self, given: Mapping[Any, Any]) -> Placement | None:
        """Return the choice, None for this machine; raises what `elsewhere.choose` does."""
        if self.is_here(given):
            return None
        place, options = given[self.place], (given.get(self.options) or "").strip()
        return choose(f"{place}:{options}" if options else place)


def build() -> Where:
    """Draw them; they are seen only where the command of some cluster is on this machine."""
    found = clusters_here()
    with (
        gr.Column(elem_classes="card", elem_id="where", visible=bool(found)),
        gr.Row(elem_classes="fields"),
    ):
        place = gr.Radio(
            [("This machine", HERE), *((CLUSTERS[on], on) for on in found)],
            value=HERE,
            label="Where",
            info="Your code goes to no place but this.",
            elem_id="place",
            elem_classes="segctl",
            interactive=True,
        )
        options = gr.Textbox(
            label="Options",
            max_lines=1,
            elem_id="place-options",
            interactive=True,
            visible=False,
        )
    place.change(_ask, place, options, **QUIET)
    return Where(place, options)


def _ask(place: str) -> gr.Textbox:
    """Inputs: place. Outputs: options."""
    if place not in CLUSTERS:
        return gr.Textbox(visible=False)
    example = EXAMPLES[place].partition(":")[2]
    return gr.Textbox(visible=True, info=ASKED[place], placeholder=example)

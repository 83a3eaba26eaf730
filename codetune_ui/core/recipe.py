"""How documents become examples and rows: window, then FIM, then pack."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from codetune_ui.core.config import Config
from codetune_ui.core.context import (
    HEADER_TOKENS,
    Surroundings,
    check_context,
    repository_name,
)
from codetune_ui.core.families import FimFormat
from codetune_ui.core.fim import Cut, Example, compose, draw_cut, left_to_right
from codetune_ui.core.neighbours import Repository
from codetune_ui.core.pack import Packable, Row, pack
from codetune_ui.core.spans import DEFAULT_MIX, Kind, parse_mix
from codetune_ui.core.splice import Piece
from codetune_ui.core.syntax import grammar_of
from codetune_ui.core.token_cache import TokenCache
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.core.window import windows_of

if TYPE_CHECKING:
    from codetune_ui.core.source import Document

T = TypeVar("T")
E = TypeVar("E", bound=Packable)
BATCH_CHARACTERS = 200_000  # of documents that are encoded in one call, over all cores
FIRST_CHARACTERS = 25_000  # of the first such call; each is twice the one before
SHUFFLED = 256  # examples among which the next is drawn, so that one long file fills no whole step
FIRST_SHUFFLED = 16  # of the first ones, so that the first row comes soon


@dataclass(frozen=True)
class Recipe:
    """All that turns a document into examples, given an epoch; format None is left to right."""

    tokenizer: CodeTokenizer
    format: FimFormat | None
    fim_rate: float
    spm_rate: float
    span: str
    loss_on: str
    max_seq_len: int
    seed: int
    mix: Mapping[Kind, float] = field(default_factory=lambda: DEFAULT_MIX)
    fit: str = "window"
    cache: TokenCache | None = None
    """Where documents are cut again and again: their tokens, kept."""
    around: Surroundings | None = None
    """Where files are read with their path, or also with the files around them."""

    @classmethod
    def from_config(
        cls, config: Config, tokenizer: CodeTokenizer, format: FimFormat | None
    ) -> Recipe:
        """Take the settings that matter here."""
        return cls(
            tokenizer=tokenizer,
            format=format,
            fim_rate=config.fim_rate,
            spm_rate=config.spm_rate,
            span=config.span,
            loss_on=config.loss_on,
            max_seq_len=config.max_seq_len,
            seed=config.seed,
            mix=parse_mix(config.span_mix),
            fit=config.fit,
            around=surroundings(config, tokenizer, format),
        )

    @property
    def window_tokens(self) -> int:
        """Tokens of a window: a row less the FIM tokens, less what two cuts may add.

        With `truncate_or_pad` the FIM tokens take the place of text, so the window is the row.
        """
        frame = self.format.frame_tokens if self.format else 0
        frame += min(HEADER_TOKENS, self.max_seq_len // 8) if self.around else 0
        if self.fit == "truncate_or_pad":
            return self.max_seq_len - frame - (self.bos_id is not None) - 1
        fixed = 5  # three sentinels, BOS, end of middle
        return self.max_seq_len - frame - fixed - min(8, self.max_seq_len // 16)

    @property
    def eos_id(self) -> int | None:
        """Token that ends a document: the tokenizer's own, or the family's where it names none."""
        eos = self.tokenizer.eos_id
        return eos if eos is not None or self.format is None else self.format.eot_id

    @property
    def bos_id(self) -> int | None:
        """Token that starts an example: the family's, or the tokenizer's own without FIM."""
        return self.tokenizer.bos_id if self.format is None else self.format.bos_id

    @property
    def pad_id(self) -> int:
        """Token that fills a row; it carries no loss and no example sees it."""
        own = None if self.format is None else self.format.pad_id
        return own if own is not None else self.eos_id or 0


def surroundings(
    config: Config, tokenizer: CodeTokenizer, format: FimFormat | None
) -> Surroundings | None:
    """Return how files are read with what is around them; `of_set` adds the files of a set."""
    if config.repo_context == "none":
        return None
    if format is not None:
        check_context(format, tokenizer)
    most = config.neighbour_tokens
    return Surroundings(format, tokenizer, repository_name(config.source), most)


def of_set(recipe: Recipe, documents: Sequence[Document]) -> Recipe:
    """Return the recipe that reads each file with others of this set, and with no file else."""
    if recipe.around is None or not recipe.around.most:
        return recipe
    # Of documents on disk the names are in memory, and need no reading.
    named = getattr(documents, "entries", documents)
    repository = Repository(documents, [document.path for document in named])
    return replace(recipe, around=replace(recipe.around, repository=repository))


def examples(document: Document, recipe: Recipe, epoch: int) -> list[Example]:
    """Return a document's examples of one epoch; the same seed, epoch and path give the same."""
    return list(examples_of([document], recipe, epoch))


def examples_of(documents: Iterable[Document], recipe: Recipe, epoch: int) -> Iterator[Example]:
    """Yield the examples of many documents in their order, encoded in batches."""
    for some in _batches(documents):
        texts = [document.text for document in some]
        parts = windows_of(texts, recipe.window_tokens, recipe.tokenizer, recipe.cache)
        cuts: list[Cut] = []
        for document, part in zip(some, parts, strict=True):
            cuts += _cuts(document, part, recipe, epoch)
        yield from _compose_all(cuts, recipe)


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters, most = 0, FIRST_CHARACTERS
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if characters >= most:
            yield batch
            batch, characters, most = [], 0, min(2 * most, BATCH_CHARACTERS)
    yield batch


def shuffled(documents: Sequence[T], rng: random.Random) -> list[T]:
    """Return the documents, or their places, in the order in which an epoch tells them."""
    order = list(documents)
    rng.shuffle(order)
    return order


def rows(documents: Sequence[Document], recipe: Recipe, epoch: int) -> Iterator[Row]:
    """Yield the packed rows of one epoch; order and holes follow from seed and epoch alone."""
    return rows_of_blocks([documents], recipe, epoch)


def rows_of_blocks(
    blocks: Iterable[Sequence[Document]], recipe: Recipe, epoch: int
) -> Iterator[Row]:
    """Yield the rows of an epoch whose documents come in blocks; each is asked for in its turn.

    Documents are shuffled, and read with their neighbours, within a block; rows are packed over
    all of them.
    """
    rng = chance_of(recipe.seed, epoch)
    stream = (example for block in blocks for example in _of_block(block, recipe, epoch, rng))
    return pack(_mix(stream, rng), recipe.max_seq_len, recipe.pad_id)


class Ready(NamedTuple):
    """Examples of an epoch that were made before: those of so many documents, in its order."""

    documents: int
    examples: Iterable[Packable]


def rows_after(
    ready: Ready, documents: Sequence[Document], recipe: Recipe, epoch: int
) -> Iterator[Row]:
    """Yield the rows of `rows`, from examples that are ready and from those that are not."""
    rng = chance_of(recipe.seed, epoch)
    order = shuffled(range(len(documents)), rng)[ready.documents :]
    rest = (documents[place] for place in order)
    around = of_set(recipe, documents) if order else recipe
    made: Iterable[Packable] = examples_of(rest, around, epoch)
    return pack(_mix(itertools.chain(ready.examples, made), rng), recipe.max_seq_len, recipe.pad_id)


def chance_of(seed: int, epoch: int) -> random.Random:
    """Return what shuffles an epoch: first its documents, then its examples."""
    return random.Random(f"{seed}:{epoch}")


def _of_block(
    documents: Sequence[Document], recipe: Recipe, epoch: int, rng: random.Random
) -> Iterator[Example]:
    order = shuffled(range(len(documents)), rng)  # of places: the texts may lie on disk
    some = (documents[place] for place in order)
    return examples_of(some, of_set(recipe, documents), epoch)


def _cuts(document: Document, parts: list[Piece], recipe: Recipe, epoch: int) -> list[Cut]:
    rng = random.Random(f"{recipe.seed}:{epoch}:{document.path}")
    grammar = grammar_of(document.language, document.path)
    return [
        draw_cut(
            part,
            recipe=recipe,
            rng=rng,
            path=document.path,
            ends_document=index == len(parts),
            grammar=grammar,
        )
        for index, part in enumerate(parts, 1)
    ]


def _compose_all(cuts: list[Cut], recipe: Recipe) -> Iterator[Example]:
    for cut, example in zip(cuts, compose(cuts, recipe), strict=True):
        yield from [example] if example is not None else _rescue(cut, recipe)


def _rescue(cut: Cut, recipe: Recipe) -> list[Example]:
    """Keep a window that did not fit: without its hole, or else as two halves."""
    example = compose([left_to_right(cut)], recipe)[0]
    if example is not None:
        return [example]
    half = len(cut.text) // 2
    first = Cut(cut.text[:half], cut.path, False, None, half, half)
    rest = left_to_right(Cut(cut.text[half:], cut.path, cut.ends_document, None, 0, 0))
    return [*_rescue(first, recipe), *_rescue(rest, recipe)]


def _mix(stream: Iterable[E], rng: random.Random) -> Iterator[E]:
    """Yield in random order from a bounded buffer, which grows as it is used."""
    held: list[E] = []
    most = FIRST_SHUFFLED
    for example in stream:
        held.append(example)
        if len(held) > most:
            most = min(most + 1, SHUFFLED)
            place = rng.randrange(len(held))
            held[place], held[-1] = held[-1], held[place]
            yield held.pop()
    rng.shuffle(held)
    yield from held

"""How likely a model finds what stood in a hole, after the very prompt that the server sends.

The decoder tells it from the same pass in which it reads a prompt (`evaluate.fill`). What is here
asks transformers and PEFT, for a base or an adapter that the decoder does not cover.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from codetune_ui.core.completion import Ask
from codetune_ui.core.families import FimFormat
from codetune_ui.core.tokens import CodeTokenizer
from codetune_ui.engine.adapters import Adapters
from codetune_ui.engine.generate import Completer


@dataclass(frozen=True)
class Truth:
    """What stood in a hole as tokens, `size` of them text and the rest the end of the middle."""

    ids: tuple[int, ...]
    size: int

    @classmethod
    def of(cls, middle: str, tokenizer: CodeTokenizer, format: FimFormat | None) -> Truth:
        """Encode a middle, and the token by which its end is told."""
        ids = tokenizer.encode(middle, continues=True)
        end = tokenizer.eos_id if format is None else format.eot_id
        return cls((*ids, *([] if end is None else [end])), len(ids))

    def likelihood(self, losses: Sequence[float]) -> Likelihood:
        """Sum up the losses of the tokens."""
        return Likelihood(sum(losses[: self.size]), sum(losses[self.size :]))


@dataclass(frozen=True)
class Likelihood:
    """Negative log-likelihoods in nats: of the middle's tokens together, and of its end."""

    middle: float
    end: float


class Measurer:
    """A base with one adapter, as transformers computes them: for a text that is known already.

    It takes the model over: the completer must not write with it afterwards.
    """

    def __init__(self, completer: Completer, name: str, adapters: Adapters) -> None:
        self._completer = completer
        self._name = name
        self._adapters = adapters
        forward = inspect.signature(adapters.base.forward).parameters
        self._takes_keep = "logits_to_keep" in forward

    def both(
        self, ask: Ask, truth: Truth, format: FimFormat | None
    ) -> tuple[Likelihood, Likelihood]:
        """Return the likelihood of a middle under the base and under the adapter."""
        limit = max(ask.max_tokens, len(truth.ids))  # a prompt may not fill the model's context
        prompt, _ = self._completer.prompt(ask, format, limit)
        found = []
        for name in (None, self._name):
            with self._adapters.active(name) as model:
                found.append(truth.likelihood(self._losses(model, prompt, truth.ids).tolist()))
        return found[0], found[1]

    @torch.inference_mode()
    def _losses(self, model: Any, prompt: list[int], target: Sequence[int]) -> Tensor:
        """Return the negative log-likelihood (T,) of each target token after those before it."""
        row = torch.tensor([[*prompt, *target[:-1]]], device=model.device)
        keep = {"logits_to_keep": len(target)} if self._takes_keep else {}
        logits = model(input_ids=row, use_cache=False, **keep).logits[0, -len(target) :]
        # Embeddings are often padded beyond the vocabulary; those rows are no tokens.
        chances = logits[:, : self._completer.tokenizer.vocab_size].float().log_softmax(-1)
        wanted = torch.tensor(target, device=chances.device)
        losses: Tensor = -chances.gather(1, wanted[:, None]).squeeze(1)
        return losses

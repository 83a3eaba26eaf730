"""Writing by hand against transformers' own `generate`: the same tokens, alone and side by side."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from codetune_ui.engine.adapters import PASSING, _lora
from codetune_ui.engine.fused import decode_ops
from codetune_ui.engine.fused.attention import Heads
from codetune_ui.engine.fused.build import UnfitError
from codetune_ui.engine.fused.decode import Decoder
from codetune_ui.engine.fused.inference import Loras
from codetune_ui.engine.fused.prompts import Counts, Flat, Prompt, Text, lay
from codetune_ui.engine.model import quiet_peft
from tests.borders import SHAPES, VOCABULARY, tiny
from tests.decode_ops import differences

LONG = [7, 8, 9, 20, 33, 11, 60, 61] * 5
SHORT = [50, 40, 30]
TOKENS = 20


def adapted(base: Any, *, rank: int = 4, seed: int = 1) -> tuple[Any, Loras]:
    """A copy of the base with a random adapter, and the adapter for the base itself."""
    how = LoraConfig(r=rank, lora_alpha=8, target_modules="all-linear")
    with quiet_peft():
        tuned: Any = get_peft_model(copy.deepcopy(base), how, adapter_name=PASSING)
    torch.manual_seed(seed)
    for name, parameter in tuned.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    loras = {}
    for name, layer in tuned.named_modules():
        if hasattr(layer, "lora_A"):
            weight = base.get_submodule(name.removeprefix("base_model.model.")).weight
            loras[id(weight)] = _lora(layer)
    return tuned, loras


@torch.no_grad()
def plain(model: Any, ids: Sequence[int]) -> tuple[list[int], torch.Tensor]:
    """What transformers writes, without a cache, and the logits of its last token."""
    row = list(ids)
    for _ in range(TOKENS):
        logits = model(input_ids=torch.tensor([row]), use_cache=False).logits[0, -1]
        row.append(int(logits.argmax()))
    return row[len(ids) :], logits


def begun(decoder: Decoder, prompts: list[Prompt]) -> list[int]:
    """The first token of each row."""
    return [found.token for found in decoder.begin(prompts)]


def written(decoder: Decoder, prompts: list[Prompt]) -> dict[int, tuple[list[int], torch.Tensor]]:
    """What the decoder writes in each row, and the logits of its last token."""
    first = begun(decoder, prompts)
    found = {prompt.row: [token] for prompt, token in zip(prompts, first, strict=True)}
    for steps in (4, 7, TOKENS - 12):
        tokens = decoder.write(steps)
        for row, ids in found.items():
            ids += tokens[row]
    for prompt in prompts:
        decoder.end(prompt.row)
    return {row: (ids, decoder.logits[row].clone()) for row, ids in found.items()}


def assert_same(
    found: tuple[list[int], torch.Tensor], expected: tuple[list[int], torch.Tensor]
) -> None:
    assert found[0] == expected[0]
    torch.testing.assert_close(found[1], expected[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_tokens_and_logits_are_those_of_transformers(shape: str) -> None:
    base: Any = tiny(shape, "sdpa")
    tuned, loras = adapted(base)
    expected = {
        (name, len(ids)): plain(model, ids)
        for name, model in ((None, base), ("x", tuned))
        for ids in (LONG, SHORT)
    }
    decoder = Decoder(base, VOCABULARY, 128)
    assert_same(written(decoder, [Prompt(0, LONG, None)])[0], expected[None, 40])
    decoder.add("x", loras)
    assert_same(written(decoder, [Prompt(1, LONG, "x")])[1], expected["x", 40])
    both = written(decoder, [Prompt(0, SHORT, None), Prompt(1, LONG, "x")])
    assert_same(both[0], expected[None, 3])
    assert_same(both[1], expected["x", 40])
    both = written(decoder, [Prompt(1, LONG, None), Prompt(0, SHORT, "x")])
    assert_same(both[0], expected["x", 3])
    assert_same(both[1], expected[None, 40])


def test_the_model_itself_still_says_the_same() -> None:
    base: Any = tiny("qwen2", "sdpa")
    before = plain(base, SHORT)
    _, loras = adapted(base)
    decoder = Decoder(base, VOCABULARY, 128)
    decoder.add("x", loras)
    written(decoder, [Prompt(0, SHORT, "x")])
    assert_same(plain(base, SHORT), before)
    shared = base.model.layers[0].self_attn.q_proj.weight
    whole = decoder.weights.layers[0].qkv.whole
    assert shared.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()


def test_a_row_joins_and_another_goes_on_with_its_adapter() -> None:
    base: Any = tiny("llama", "sdpa")
    first, small = adapted(base, rank=4, seed=1)
    second, large = adapted(base, rank=12, seed=2)  # wider: the buffers are laid out anew
    expected = plain(first, LONG)[0], plain(second, SHORT)[0]
    decoder = Decoder(base, VOCABULARY, 128)
    decoder.add("small", small)
    tokens = begun(decoder, [Prompt(0, LONG, "small")]) + decoder.write(4)[0]
    decoder.add("large", large)
    other = begun(decoder, [Prompt(1, SHORT, "large")])
    both = decoder.write(8)
    assert tokens + both[0] == expected[0][:13]
    assert other + both[1] == expected[1][:9]


def test_three_adapters_take_turns_in_two_slots() -> None:
    base: Any = tiny("llama", "sdpa")
    made = {name: adapted(base, seed=seed) for seed, name in enumerate("abc")}
    expected = {name: plain(tuned, SHORT)[0] for name, (tuned, _) in made.items()}
    decoder = Decoder(base, VOCABULARY, 128)
    for name, (_, loras) in made.items():
        decoder.add(name, loras)
    for one, two in ("ab", "bc", "ca", "ac"):
        both = written(decoder, [Prompt(0, SHORT, one), Prompt(1, SHORT, two)])
        assert [both[0][0], both[1][0]] == [expected[one], expected[two]]


KNOWN = [12, 13, 14, 15, 16, 17, 18]


@torch.no_grad()
def losses(model: Any, ids: Sequence[int]) -> list[float]:
    """What transformers says of KNOWN after some ids."""
    logits = model(input_ids=torch.tensor([[*ids, *KNOWN]]), use_cache=False).logits[0]
    chances = logits[len(ids) - 1 : -1].log_softmax(-1)
    found: list[float] = (-chances.gather(1, torch.tensor(KNOWN)[:, None])).squeeze(1).tolist()
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_known_to_follow_is_told_and_leaves_no_trace(shape: str) -> None:
    base: Any = tiny(shape, "sdpa")
    tuned, loras = adapted(base)
    expected = plain(base, LONG)[0], plain(tuned, SHORT)[0], plain(base, SHORT)[0]
    likely = losses(base, LONG), losses(tuned, SHORT)
    decoder = Decoder(base, VOCABULARY, 128, rows=5)
    decoder.add("x", loras)
    prompts = [Prompt(3, LONG, None, KNOWN), Prompt(0, SHORT, "x", KNOWN), Prompt(4, SHORT, None)]
    found = decoder.begin(prompts)
    assert found[0].losses == pytest.approx(likely[0], abs=1e-3)
    assert found[1].losses == pytest.approx(likely[1], abs=1e-3)
    assert found[2].losses == []
    tokens = decoder.write(8)
    for begun, row, ids in zip(found, (3, 0, 4), expected, strict=True):
        assert [begun.token, *tokens[row]] == ids[:9]


def test_a_text_longer_than_a_row_is_refused() -> None:
    decoder = Decoder(tiny("llama", "sdpa"), VOCABULARY, 44)
    with pytest.raises(ValueError, match="46 tokens do not fit into 44"):
        decoder.begin([Prompt(0, LONG, None, KNOWN)])


def test_a_row_takes_so_much_memory() -> None:
    decoder = Decoder(tiny("llama", "sdpa"), VOCABULARY, 128, rows=6)
    assert decoder.rows == 6
    assert decoder.row_bytes * 6 == decoder._cache.nbytes


def test_a_chosen_token_is_gone_on_from() -> None:
    base: Any = tiny("qwen2", "sdpa")
    expected = plain(base, [*SHORT, 77])[0]
    decoder = Decoder(base, VOCABULARY, 128)
    decoder.begin([Prompt(0, SHORT, None)])
    decoder.choose(0, 77)
    assert decoder.write(8)[0] == expected[:8]


def test_a_row_never_leaves_the_cache() -> None:
    base: Any = tiny("llama", "sdpa")
    expected = plain(base, LONG)[0]
    decoder = Decoder(base, VOCABULARY, 44)
    decoder.begin([Prompt(0, SHORT, None)])
    for _ in range(60):
        decoder.write(1)
    tokens = begun(decoder, [Prompt(1, LONG, None)])
    for _ in range(3):
        tokens += decoder.write(1)[1]
    assert tokens == expected[:4]


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ("gpt_neox", {}),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}),
        ("mistral", {"sliding_window": 64}),
    ],
)
def test_what_the_blocks_do_not_cover_is_refused(shape: str, changes: dict[str, Any]) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        shape,
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        **changes,
    )
    with pytest.raises(UnfitError):
        Decoder(AutoModelForCausalLM.from_config(config), VOCABULARY, 128)


def test_an_adapter_of_other_layers_is_refused() -> None:
    base: Any = tiny("llama", "sdpa")
    decoder = Decoder(base, VOCABULARY, 128)
    _, loras = adapted(base)
    with pytest.raises(UnfitError, match="outside the blocks"):
        decoder.add("x", {id(base.lm_head.weight): next(iter(loras.values()))})


def test_a_mask_decides_which_slots_count() -> None:
    y = torch.tensor([[1.0, 2.0, 10.0, 20.0], [1.0, 2.0, 10.0, 20.0]])  # two outputs, two slots
    b = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    uses = decode_ops.Uses(torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    assert decode_ops.Product(y, 2, b, uses).settled().tolist() == [[1.0, 2.0], [1.0, 22.0]]


def test_attention_sees_a_rows_own_places_up_to_its_token() -> None:
    heads = Heads(2, 1, 2, 1.0)
    keys = torch.zeros(2, 3, 1, 2)
    values = torch.arange(12.0).view(2, 3, 1, 2)
    found = decode_ops.attend_cached(torch.zeros(2, 8), keys, values, torch.tensor([0, 1]), heads)
    assert found.tolist() == [[0.0, 1.0, 0.0, 1.0], [7.0, 8.0, 7.0, 8.0]]


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_the_gpus_operations_are_the_plain_ones(dtype: torch.dtype, most: float) -> None:
    from codetune_ui.engine.fused import triton_decode

    found = differences(triton_decode, "cuda", dtype)
    assert {name: value for name, value in found.items() if value > most} == {}


@pytest.mark.gpu
def test_a_captured_step_writes_what_the_step_writes() -> None:
    base: Any = tiny("qwen2", "sdpa", head_size=64, dtype=torch.bfloat16, device="cuda")
    _, loras = adapted(base)
    decoder = Decoder(base, VOCABULARY, 128)
    decoder.add("x", loras)
    prompts = [Prompt(0, SHORT, None), Prompt(1, LONG, "x")]
    first = decoder.begin(prompts)
    captured = decoder.write(8)
    assert decoder.begin(prompts) == first
    with torch.inference_mode():
        decoder._step_number.zero_()
        for _ in range(8):
            decoder._step(2, 1)
    assert decoder._written.T.tolist() == captured


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # transformers 5.17 has it
@pytest.mark.parametrize("shape", SHAPES)
def test_a_recorded_prompt_says_what_a_plain_one_says(shape: str) -> None:
    """Each size three times: made plainly, recorded, replayed; beside passes without a filler."""
    base: Any = tiny(shape, "sdpa", head_size=64, dtype=torch.bfloat16, device="cuda")
    _, loras = adapted(base)
    decoder, plainly = Decoder(base, VOCABULARY, 400), Decoder(base, VOCABULARY, 400)
    for one in (decoder, plainly):
        one.add("x", loras)
    reader = plainly._reader

    def unfilled(texts: Sequence[Text], slots: int) -> torch.Tensor:
        texts = texts[:-1]
        return reader._pass(Flat.of(lay(texts, 400).cuda(), texts), slots)

    reader._recorded = unfilled  # type: ignore[method-assign]
    texts = [LONG * 4, [*LONG * 4, 5, 9], [*SHORT, *LONG * 3], [*LONG * 4, 6], SHORT, LONG * 9]
    for ids in texts * 3:
        for prompts in (
            [Prompt(0, ids, None, reuse=True)],
            [Prompt(1, ids, "x")],
            [Prompt(0, ids, None, reuse=True), Prompt(1, ids[::-1], "x", reuse=True)],
        ):
            kept = [[begun.kept for begun in one.begin(prompts)] for one in (decoder, plainly)]
            assert kept[0] == kept[1]
            torch.testing.assert_close(decoder.logits, plainly.logits, rtol=0.02, atol=0.1)
            for one in (decoder, plainly):
                for prompt in prompts:
                    one.choose(prompt.row, 9)
                one.write(1)
                for prompt in prompts:
                    one.end(prompt.row)
            torch.testing.assert_close(decoder.logits, plainly.logits, rtol=0.02, atol=0.1)
    made = [key for key in decoder._recordings._made if isinstance(key[0], Counts)]  # type: ignore[index]
    assert len(made) >= 6


@pytest.mark.gpu
def test_an_adapter_may_come_after_a_step_was_captured() -> None:
    base: Any = tiny("qwen2", "sdpa", head_size=64, dtype=torch.bfloat16, device="cuda")
    _, loras = adapted(base)
    decoder = Decoder(base, VOCABULARY, 128)
    decoder.begin([Prompt(0, LONG, None)])
    alone = decoder.write(8)[0]
    decoder.add("x", loras)
    decoder.begin([Prompt(0, LONG, None), Prompt(1, LONG, "x")])
    assert decoder.write(8)[0] == alone


# --- what is kept of earlier prompts


@pytest.mark.parametrize("shape", SHAPES)
def test_a_prompt_that_goes_on_from_another_is_answered_alike(shape: str) -> None:
    base: Any = tiny(shape, "sdpa")
    tuned, loras = adapted(base)
    decoder = Decoder(base, VOCABULARY, 128)
    decoder.add("x", loras)
    for name, model in ((None, base), ("x", tuned)):
        for ids in (LONG, [*LONG, 5, 9], [*LONG[:30], 44, 45], LONG[:35], LONG[:35]):
            prompt = Prompt(0, ids, name, reuse=True)
            assert_same(written(decoder, [prompt])[0], plain(model, ids))


def test_only_what_differs_is_read() -> None:
    decoder = Decoder(tiny("llama", "sdpa"), VOCABULARY, 128)

    def kept(ids: list[int], *, row: int = 0) -> int:
        (found,) = decoder.begin([Prompt(row, ids, None, reuse=True)])
        decoder.write(3)
        decoder.end(row)
        return found.kept

    found = [kept(LONG), kept([*LONG, 5]), kept([*LONG[:33], 9]), kept(LONG[:33]), kept(SHORT)]
    assert found == [0, 40, 33, 32, 0]


def test_the_prompt_of_another_row_is_found_and_moved() -> None:
    base: Any = tiny("qwen2", "sdpa")
    expected = [plain(base, ids) for ids in (LONG, LONG[::-1])]
    decoder = Decoder(base, VOCABULARY, 128)
    for _ in range(3):
        for ids, answer in zip((LONG, LONG[::-1]), expected, strict=True):
            assert_same(written(decoder, [Prompt(0, ids, None, reuse=True)])[0], answer)
    assert decoder.known(Prompt(0, LONG, None, reuse=True)) == 39
    assert decoder.known(Prompt(0, LONG[::-1], None, reuse=True)) == 39


def test_a_row_that_is_being_written_lends_its_prompt() -> None:
    base: Any = tiny("llama", "sdpa")
    expected = plain(base, LONG)[0], plain(base, [*LONG, 5])[0]
    decoder = Decoder(base, VOCABULARY, 128)
    first = begun(decoder, [Prompt(0, LONG, None, reuse=True)]) + decoder.write(4)[0]
    (other,) = decoder.begin([Prompt(1, [*LONG, 5], None, reuse=True)])
    both = decoder.write(8)
    assert other.kept == 40
    assert first + both[0] == expected[0][:13]
    assert [other.token, *both[1]] == expected[1][:9]


def test_another_adapter_or_a_new_one_reads_the_whole_prompt() -> None:
    base: Any = tiny("llama", "sdpa")
    _, loras = adapted(base)
    decoder = Decoder(base, VOCABULARY, 128)
    decoder.add("x", loras)
    written(decoder, [Prompt(0, LONG, "x", reuse=True)])
    assert decoder.known(Prompt(0, LONG, "x", reuse=True)) == 39
    assert decoder.known(Prompt(0, LONG, None, reuse=True)) == 0
    decoder.add("x", loras)
    assert decoder.known(Prompt(0, LONG, "x", reuse=True)) == 0

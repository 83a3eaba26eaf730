"""The Python packages of three protocols against a running server, as their own pages show them."""

from __future__ import annotations

from collections.abc import Iterator

import ollama
import openai
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from tests.engine.served import PREFIX, RUN, SUFFIX, Served


@pytest.fixture
def of_openai(served: Served) -> Iterator[openai.OpenAI]:
    url = f"{served.http.base_url}/v1"
    with openai.OpenAI(base_url=url, api_key=served.state.token, max_retries=0) as client:
        yield client


@pytest.fixture
def of_mistral(served: Served) -> Iterator[Mistral]:
    with Mistral(api_key=served.state.token, server_url=str(served.http.base_url)) as client:
        yield client


@pytest.fixture
def of_ollama(served: Served) -> Iterator[ollama.Client]:
    head = {"Authorization": f"Bearer {served.state.token}"}
    with ollama.Client(host=str(served.http.base_url), headers=head) as client:
        yield client


# --- openai


def test_openai_s_package_is_answered_and_told_the_usage(
    served: Served, of_openai: openai.OpenAI
) -> None:
    found = of_openai.completions.create(
        model=RUN, prompt=PREFIX, suffix=SUFFIX, max_tokens=8, temperature=0
    )
    assert found.choices[0].text == served.text(RUN)
    assert found.choices[0].finish_reason == "length"
    assert found.usage is not None
    assert found.usage.completion_tokens == 8


def test_openai_s_package_reads_the_stream(served: Served, of_openai: openai.OpenAI) -> None:
    pieces = list(
        of_openai.completions.create(
            model=RUN, prompt=PREFIX, suffix=SUFFIX, max_tokens=8, temperature=0, stream=True
        )
    )
    assert "".join(piece.choices[0].text for piece in pieces) == served.text(RUN)
    assert pieces[-1].choices[0].finish_reason == "length"


def test_openai_s_package_lists_the_base_and_each_adapter(of_openai: openai.OpenAI) -> None:
    names = {model.id for model in of_openai.models.list()}
    assert names == {"base", RUN, "codetune-brisk-finch"}


def test_openai_s_package_raises_its_own_errors(of_openai: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="gpt-4"):
        of_openai.completions.create(model="gpt-4", prompt="a")
    with pytest.raises(openai.AuthenticationError):
        of_openai.with_options(api_key="wrong").models.list()


# --- mistralai


def test_mistral_s_package_is_answered_in_a_chat_s_shape(
    served: Served, of_mistral: Mistral
) -> None:
    found = of_mistral.fim.complete(
        model=RUN, prompt=PREFIX, suffix=SUFFIX, max_tokens=8, temperature=0
    )
    choice = found.choices[0]
    assert choice.message is not None
    assert choice.message.content == served.text(RUN)
    assert (choice.finish_reason, found.usage.completion_tokens) == ("length", 8)


def test_mistral_s_package_reads_the_stream(served: Served, of_mistral: Mistral) -> None:
    with of_mistral.fim.stream(
        model=RUN, prompt=PREFIX, suffix=SUFFIX, max_tokens=8, temperature=0
    ) as stream:
        choices = [event.data.choices[0] for event in stream]
    assert "".join(str(choice.delta.content or "") for choice in choices) == served.text(RUN)
    assert choices[-1].finish_reason == "length"


def test_mistral_s_package_raises_its_own_error(of_mistral: Mistral) -> None:
    with pytest.raises(SDKError, match="gpt-4") as refused:
        of_mistral.fim.complete(model="gpt-4", prompt="a")
    assert refused.value.status_code == 404


# --- ollama


def test_ollama_s_package_is_answered(served: Served, of_ollama: ollama.Client) -> None:
    found = of_ollama.generate(
        model=RUN, prompt=PREFIX, suffix=SUFFIX, options={"num_predict": 8, "temperature": 0}
    )
    assert found.response == served.text(RUN)
    assert (found.done, found.done_reason, found.eval_count) == (True, "length", 8)


def test_ollama_s_package_reads_the_stream(served: Served, of_ollama: ollama.Client) -> None:
    pieces = list(
        of_ollama.generate(
            model=RUN, prompt=PREFIX, suffix=SUFFIX, stream=True, options={"num_predict": 8}
        )
    )
    assert "".join(piece.response or "" for piece in pieces) == served.text(RUN)
    assert pieces[-1].done is True


def test_ollama_s_package_lists_and_shows_models(of_ollama: ollama.Client) -> None:
    assert f"{RUN}:latest" in [model.model for model in of_ollama.list().models]
    shown = of_ollama.show(RUN)
    assert "insert" in (shown.capabilities or [])
    assert ".Suffix" in str(shown.template)


def test_ollama_s_package_raises_its_own_error(of_ollama: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="gpt-4") as refused:
        of_ollama.generate(model="gpt-4", prompt="a")
    assert refused.value.status_code == 404

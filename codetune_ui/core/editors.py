"""The words that set an editor up for the running server: copied once, and it completes.

Each snippet holds the address, the token and the model's name. Wherever an editor can send prefix
and suffix apart, that way is taken: then the server lays them out as the model was trained. Zed and
Twinny can only write the tokens themselves; theirs are those of the model's family, and the server
reads them back (see `core.templates`).

Where each shape is from, read in November 2026: Continue's docs/reference.mdx and Mistral provider;
llama.vscode's src/llama-server.ts and configuration; llama.vim's doc/llama.txt; minuet-ai.nvim's
README; Zed's crates/edit_prediction (open_ai_compatible.rs, fim.rs) and its assets/settings; Twinny's
docs/providers.md and src/common/constants/models.ts; Tabby's clients/tabby-agent configuration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from codetune_ui.core.errors import ConfigError
from codetune_ui.core.registry import FAMILIES

Language = Literal["yaml", "json", "lua", "vim", "toml", "text"]

MAX_TOKENS = 64  # of a suggestion while one types; more is seldom read
KEY_VARIABLE = "CODETUNE_API_KEY"
ZED_VARIABLE = "ZED_OPEN_AI_COMPATIBLE_EDIT_PREDICTION_API_KEY"


@dataclass(frozen=True)
class Access:
    """How the server is reached, and as what it answers.

    url: without a path, as http://127.0.0.1:8012. family: the name of the model's FIM family; ""
    where it was trained left to right.
    """

    url: str
    token: str
    model: str
    family: str = ""


@dataclass(frozen=True)
class Snippet:
    """What is copied, in which language, where it belongs, and what else there is to do."""

    editor: str
    title: str
    language: Language
    text: str
    place: str
    note: str = ""


def snippets(access: Access) -> list[Snippet]:
    """Return every editor's snippet, the best known first."""
    return [make(access) for make in _MAKERS.values()]


def snippet(editor: str, access: Access) -> Snippet:
    """Return one editor's snippet. Raises `ConfigError` for a name that is not known."""
    if (make := _MAKERS.get(editor)) is None:
        raise ConfigError(f"There is no editor '{editor}'.", f"Choose {', '.join(_MAKERS)}.")
    return make(access)


# --- each editor


def _continue(access: Access) -> Snippet:
    text = f"""\
name: CodeTune
version: 0.0.1
schema: v1
models:
  - name: {json.dumps(access.model)}
    provider: mistral
    model: {json.dumps(access.model)}
    apiBase: {json.dumps(access.url + "/v1")}
    apiKey: {json.dumps(access.token)}
    roles:
      - autocomplete
"""
    return Snippet(
        "continue",
        "Continue (VS Code and JetBrains)",
        "yaml",
        text,
        "~/.continue/config.yaml",
        "Keep the line apiBase: without it Continue sends your code to Mistral's cloud.",
    )


def _llama_vscode(access: Access) -> Snippet:
    settings = {
        "llama-vscode.endpoint": access.url,
        "llama-vscode.api_key": access.token,
        "llama-vscode.ai_model": access.model,
    }
    return Snippet(
        "llama.vscode",
        "llama.vscode",
        "json",
        _json(settings),
        "VS Code's settings.json",
        "Choose no other completion model in its menu: that one would be asked instead.",
    )


def _llama_vim(access: Access) -> Snippet:
    text = f"""\
let g:llama_config = {{
    \\ 'endpoint_fim': {_vim(access.url + "/infill")},
    \\ 'api_key': {_vim(access.token)},
    \\ 'model_fim': {_vim(access.model)},
    \\ }}
"""
    return Snippet(
        "llama.vim", "llama.vim", "vim", text, "your .vimrc, before the plugin is loaded"
    )


def _minuet(access: Access) -> Snippet:
    text = f"""\
vim.env.{KEY_VARIABLE} = {_lua(access.token)}
require('minuet').setup {{
    provider = 'openai_fim_compatible',
    n_completions = 1,
    context_window = 4000,
    provider_options = {{
        openai_fim_compatible = {{
            api_key = '{KEY_VARIABLE}', -- the name of the variable, not the token
            name = 'CodeTune',
            end_point = {_lua(access.url + "/v1/completions")},
            model = {_lua(access.model)},
            stream = true,
            optional = {{ max_tokens = {MAX_TOKENS} }},
        }},
    }},
}}
"""
    return Snippet("minuet", "minuet-ai.nvim", "lua", text, "your Neovim configuration")


# Zed's names of prompt formats by the tokens they write; PSM, as they all are.
_ZED = {
    "<fim_prefix>": "star_coder",
    "<|fim_prefix|>": "qwen",
    "<｜fim▁begin｜>": "deepseek_coder",
    "[PREFIX]": "codestral",
    "▁<PRE>": "code_llama",
}


def _zed(access: Access) -> Snippet:
    family = FAMILIES.get(access.family)
    settings = {
        "edit_predictions": {
            "provider": "open_ai_compatible_api",
            "open_ai_compatible_api": {
                "api_url": access.url + "/v1/completions",
                "model": access.model,
                # Of another family the server reads Qwen's tokens back just as well.
                "prompt_format": _ZED.get(family.prefix, "qwen") if family else "qwen",
                "max_output_tokens": MAX_TOKENS,
            },
        }
    }
    return Snippet(
        "zed",
        "Zed",
        "json",
        _json(settings),
        "Zed's settings.json",
        f"Start Zed with the token in its environment: {ZED_VARIABLE}={access.token}",
    )


# Twinny's names of templates by the tokens they write.
_TWINNY = {
    "<fim_prefix>": "starcoder",
    "<|fim_prefix|>": "codeqwen",
    "<｜fim▁begin｜>": "deepseek",
    "[PREFIX]": "codestral",
    "▁<PRE>": "codellama",
}


def _twinny(access: Access) -> Snippet:
    parts = urlsplit(access.url)
    family = FAMILIES.get(access.family)
    template = _TWINNY.get(family.prefix, "codeqwen") if family else "codeqwen"
    rows = {
        "Label": "CodeTune",
        "Type": "FIM",
        "FIM template": template,
        "Provider": "LM Studio",
        "Protocol": parts.scheme,
        "Model name": access.model,
        "Hostname": parts.hostname,
        "Port": parts.port,
        "API path": "/v1/completions",
        "API key": access.token,
    }
    text = "".join(f"{label}: {value}\n" for label, value in rows.items())
    return Snippet(
        "twinny",
        "Twinny",
        "text",
        text,
        "Twinny's side bar, Providers, Add provider",
        "A form, not a file: type each value into the field of its name.",
    )


def _tabby(access: Access) -> Snippet:
    text = f"""\
[server]
endpoint = {json.dumps(access.url)}
token = {json.dumps(access.token)}
"""
    return Snippet(
        "tabby",
        "Tabby",
        "toml",
        text,
        "~/.tabby-client/agent/config.toml",
        f"Tabby names no model: it is answered by the one the server was started with"
        f" ({access.model}).",
    )


_MAKERS: dict[str, Callable[[Access], Snippet]] = {
    "continue": _continue,
    "llama.vscode": _llama_vscode,
    "llama.vim": _llama_vim,
    "minuet": _minuet,
    "zed": _zed,
    "twinny": _twinny,
    "tabby": _tabby,
}

EDITORS = tuple(_MAKERS)
"""The names by which a snippet is asked for."""


def _json(settings: Mapping[str, object]) -> str:
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"


def _vim(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _lua(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


# --- who asked


def name_editor(agent: str, path: str, *, has_api_key: bool = False) -> str:
    """Say which editor a request is likely from, by its User-Agent and the way it asks.

    has_api_key: it also has the header x-api-key, which Continue adds for Mistral.

    >>> name_editor("curl/8.5.0", "/infill"), name_editor("Zed/0.210.0", "/v1/completions")
    ('llama.vim', 'Zed')
    >>> name_editor("", "/v1/completions")
    'unknown'
    """
    product = agent.split("/")[0].split(" ")[0]
    if path == "/v1/fim/completions" and has_api_key:
        return "Continue"
    by_way = {
        ("curl", "/infill"): "llama.vim",
        ("axios", "/infill"): "llama.vscode",
        ("curl", "/v1/completions"): "minuet",
    }
    return by_way.get((product, path), product or "unknown")

"""Write the parts of both READMEs that follow from the code: `python -m tests.docs`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from codetune_ui.core.assets import PROJECT_ROOT
from codetune_ui.core.config import SETTINGS
from codetune_ui.core.presets import PRESETS
from codetune_ui.core.setting import GROUP_LABELS

README = PROJECT_ROOT / "README.md"
PACKAGE = PROJECT_ROOT / "codetune_ui"
ARCHITECTURE = PACKAGE / "README.md"
FILES = re.compile(r"(<!-- ([\w/]+) -->\n).*?(<!-- /[\w/]+ -->)", re.DOTALL)
# The core is read in the order in which the data goes through it; the rest by name.
READING_ORDER = [
    "errors",
    "setting",
    "settings_code",
    "settings_training",
    "cards",
    "config",
    "presets",
    "sweep",
    "assets",
    "document",
    "sources",
    "source",
    "walk",
    "git",
    "history",
    "scope",
    "ignore",
    "attributes",
    "disk",
    "archive",
    "table",
    "admit",
    "languages",
    "clean",
    "dedup",
    "pipeline",
    "split",
    "tokens",
    "registry",
    "families",
    "window",
    "spans",
    "splice",
    "fim",
    "recipe",
    "pack",
    "preview",
    "inputs",
    "models",
    "memory",
    "plan",
    "series",
    "completion",
]
MARK = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.DOTALL)


def settings_table() -> str:
    """Return the table of all settings: name, what it is, default, and what Guide and Demo take."""
    lines = ["| setting | what it is | default | Guide | Demo |", "|---|---|---|---|---|"]
    for group, title in GROUP_LABELS.items():
        lines.append(f"| **{title}** | | | | |")
        for about in SETTINGS.values():
            if about.group != group:
                continue
            cells = [_shown(about.default)]
            cells += [
                _shown(PRESETS[name][about.name]) if about.name in PRESETS[name] else ""
                for name in ("guide", "demo")
            ]
            lines.append(f"| `{about.name}` | {about.help} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    text = {"True": "yes", "False": "no"}.get(str(value), str(value))
    return f"`{text}`" if text else "*empty*"


def with_settings(text: str) -> str:
    """Return a README whose settings table is the one of the code."""
    return MARK.sub(lambda found: f"{found[1]}{settings_table()}{found[2]}", text)


def file_table(layer: str) -> str:
    """Return one line per file of a layer: its name and the first line of its docstring."""
    files = [path for path in (PACKAGE / layer).glob("*.py") if path.stem != "__init__"]
    order = {name: place for place, name in enumerate(READING_ORDER if layer == "core" else ())}
    files.sort(key=lambda path: (order.get(path.stem, len(order)), path.stem))
    return "".join(f"| `{layer}/{path.name}` | {_first_line(path)} |\n" for path in files)


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def with_files(text: str) -> str:
    """Return an architecture page whose tables of files are the ones on disk."""
    head = "| file | what it is for |\n|---|---|\n"
    return FILES.sub(lambda found: f"{found[1]}{head}{file_table(found[2])}{found[3]}", text)


def main(readme: Path = README) -> None:
    """Rewrite both pages in place."""
    readme.write_text(with_settings(readme.read_text(encoding="utf-8")), encoding="utf-8")
    text = ARCHITECTURE.read_text(encoding="utf-8")
    ARCHITECTURE.write_text(with_files(text), encoding="utf-8")


if __name__ == "__main__":
    main()

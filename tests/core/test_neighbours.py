from __future__ import annotations

import pytest

from codetune_ui.core.document import Document
from codetune_ui.core.neighbours import MOST, Repository


def repository(texts: dict[str, str], group: str = "") -> Repository:
    return Repository(
        [
            Document(text=text, path=path, language="", group=group or path.split("/")[0])
            for path, text in texts.items()
        ]
    )


def names(texts: dict[str, str], path: str, group: str = "") -> list[str]:
    return [neighbour.path for neighbour in repository(texts, group).neighbours(path)]


PYTHON = dict.fromkeys(
    [
        "app/__init__.py",
        "app/models.py",
        "app/shop/__init__.py",
        "app/shop/cart.py",
        "app/shop/price.py",
        "src/tools/text.py",
        "other/models.py",
    ],
    "x = 1\n",
)


@pytest.mark.parametrize(
    ("line", "imported"),
    [
        ("from app.shop.price import total", "app/shop/price.py"),
        ("from app.shop import price", "app/shop/price.py"),
        ("from app import shop", "app/shop/__init__.py"),
        ("from . import price", "app/shop/price.py"),
        ("from .price import total as t", "app/shop/price.py"),
        ("from ..models import User", "app/models.py"),
        ("from .. import models", "app/models.py"),
        ("import app.models", "app/models.py"),
        ("import os, app.models as m", "app/models.py"),
        ("    from app.models import (User,", "app/models.py"),
        ("from tools.text import words", "src/tools/text.py"),
    ],
)
def test_a_python_import_comes_first(line: str, imported: str) -> None:
    texts = {**PYTHON, "app/shop/view.py": f"import json\n{line}\n"}
    assert names(texts, "app/shop/view.py")[0] == imported


def test_an_import_of_something_elsewhere_brings_only_the_directory() -> None:
    texts = {**PYTHON, "app/shop/view.py": "import numpy\nfrom ....up import x\n"}
    assert names(texts, "app/shop/view.py") == [
        "app/shop/__init__.py",
        "app/shop/cart.py",
        "app/shop/price.py",
    ]


def test_imports_come_before_the_directory_and_none_twice() -> None:
    texts = {**PYTHON, "app/shop/view.py": "from .price import a\nfrom app.models import b\n"}
    assert names(texts, "app/shop/view.py") == [
        "app/shop/price.py",
        "app/models.py",
        "app/shop/__init__.py",
        "app/shop/cart.py",
    ]


@pytest.mark.parametrize(
    ("path", "line", "imported"),
    [
        ("web/page.ts", "import { a } from './lib/money';", "web/lib/money.ts"),
        ("web/page.ts", "import './lib/money.js'", "web/lib/money.ts"),
        ("web/page.ts", "const x = require('./lib')", "web/lib/index.js"),
        ("web/page.ts", 'export * from "@/lib/money"', "web/lib/money.ts"),
        ("c/main.c", '#include "util/list.h"', "c/util/list.h"),
        ("c/deep/er/x.cpp", '# include "../list.h"', "c/deep/list.h"),
        ("c/main.c", '#include "only/once.h"', "inc/only/once.h"),
        ("j/App.java", "import org.shop.Cart;", "j/src/org/shop/Cart.java"),
        ("j/App.kt", "import static org.shop.Cart.total", "j/src/org/shop/Cart.java"),
        ("g/main.go", 'import (\n\t"fmt"\n\tp "example.org/g/pay"\n)', "g/pay/pay.go"),
    ],
)
def test_imports_of_other_languages(path: str, line: str, imported: str) -> None:
    files = ["web/lib/money.ts", "web/lib/index.js", "c/util/list.h", "c/deep/list.h"]
    files += ["inc/only/once.h", "j/src/org/shop/Cart.java", "g/pay/pay.go", "g/pay/pay_test.go"]
    texts = {**dict.fromkeys(files, "x\n"), path: line + "\n"}
    assert names(texts, path)[0] == imported


def test_a_name_that_two_files_have_is_no_import() -> None:
    texts = {"a/x/util.py": "", "b/x/util.py": "", "tests/t.py": "from x.util import f\n"}
    assert names(texts, "tests/t.py") == []


def test_a_file_of_another_repository_is_no_import() -> None:
    rows = [
        Document("from tools import f\n", "me/one/src/a.py", "Python", "me/one"),
        Document("f = 1\n", "you/two/lib/tools.py", "Python", "you/two"),
    ]
    assert Repository(rows).neighbours("me/one/src/a.py") == ()


def test_a_file_is_never_its_own_neighbour_and_there_are_not_too_many() -> None:
    texts = {f"p/m{n:02}.py": "import p.m00\n" for n in range(40)}
    assert "p/m00.py" not in names(texts, "p/m00.py")
    assert len(names(texts, "p/m00.py")) == MOST


def test_only_the_files_that_were_given_are_ever_named() -> None:
    texts = {"p/a.py": "from p.held import secret\n", "p/b.py": "x = 1\n"}
    assert names(texts, "p/a.py") == ["p/b.py"]
    assert names(texts, "p/held.py") == []


def test_files_of_another_kind_in_the_directory_are_left_out() -> None:
    assert names({"p/a.py": "x\n", "p/b.md": "# b\n", "p/c.py": "y\n"}, "p/a.py") == ["p/c.py"]

from __future__ import annotations

import pytest

from codetune_ui.core.errors import ConfigError
from codetune_ui.core.licence import chosen_licences, declared, is_allowed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", ""),
        ("# the licence of a driver\nlicense = load()\n", ""),
        ("// SPDX-License-Identifier: GPL-2.0-only\n", "GPL-2.0-only"),
        ("/* SPDX-License-Identifier: MIT */\n", "MIT"),
        ("<!-- SPDX-License-Identifier: MIT -->\n", "MIT"),
        ('# Licensed under the Apache License, Version 2.0 (the "License");\n', "Apache-2.0"),
        ("# Permission is hereby granted, free of charge, to any person\n", "MIT"),
        (
            "/*\n * under the terms of the GNU General Public License as\n"
            " * published by the Free Software Foundation; either version 3 of\n */",
            "GPL-3.0",
        ),
        ("# GNU Lesser General Public License, version 2.1\n", "LGPL-2.1"),
        ("# GNU Affero General Public License version 3\n", "AGPL-3.0"),
        ("# GNU General Public License\n", "GPL-2.0"),
        ("// Use of this source code is governed by a BSD-style license\n", "BSD-3-Clause"),
        (
            "// This Source Code Form is subject to the terms of the Mozilla Public\n// License",
            "MPL-2.0",
        ),
        ("x = 1\n" * 2000 + "# SPDX-License-Identifier: MIT\n", ""),
    ],
)
def test_a_header_names_its_licence(text: str, expected: str) -> None:
    assert declared(text) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("mit", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-2.0-or-later) ", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("Company-Internal", False),
    ],
)
def test_one_of_several_must_be_allowed(expression: str, expected: bool) -> None:
    assert is_allowed(expression, frozenset({"mit", "apache-2.0"})) == expected


def test_or_later_is_the_same_name() -> None:
    assert chosen_licences("GPL-3.0-or-later, LGPL-2.1-only") == {"gpl-3.0", "lgpl-2.1"}


def test_an_unknown_name_brings_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no licence 'apache2'.*Apache-2.0") as caught:
        chosen_licences("MIT, Apache2")
    assert caught.value.field == "licences"

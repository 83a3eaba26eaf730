from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from codetune_ui.engine.fused import cudnn_attention
from codetune_ui.engine.fused.cudnn_attention import Form, has_cudnn_frontend, serves

FORM = Form(4, 128, 512, 8, 2, 64, 768, torch.bfloat16, 0.125)


def test_without_a_gpu_it_is_not_used() -> None:
    has_cudnn_frontend.cache_clear()
    assert has_cudnn_frontend() is False or torch.cuda.is_available()


def test_a_form_that_the_library_refuses_is_left_to_torch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(ModuleType):
        def create_handle(self) -> int:
            raise RuntimeError("no engine for this graph")

    monkeypatch.setitem(sys.modules, "cudnn", Refusing("cudnn"))
    for known in (serves, cudnn_attention._handle):
        known.cache_clear()
    assert serves(FORM) is False
    assert "cuDNN's attention is not used" in caplog.text

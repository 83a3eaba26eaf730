"""Where the embedded model, the embedded code base and the page's files lie."""

from __future__ import annotations

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
ASSETS = PROJECT_ROOT / "assets"
DEMO_MODEL = ASSETS / "demo_model"
DEMO_CODE = ASSETS / "demo_code"
PROBE = ASSETS / "probe"

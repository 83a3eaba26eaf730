"""The page. Importing it settles what Gradio reads from the environment when it is imported."""

from __future__ import annotations

import os

for _name in [name for name in os.environ if name.startswith("GRADIO_")]:
    # Each of them changes the server (share, MCP, allowed paths, a remote code mode): we set all
    # that we need ourselves.
    del os.environ[_name]
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["DO_NOT_TRACK"] = "1"

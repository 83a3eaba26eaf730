"""Quick torch for tiny models, set before torch is imported by anything."""

from __future__ import annotations

import os

# Two OpenMP pools (torch's and bitsandbytes') that spin while they wait starve each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

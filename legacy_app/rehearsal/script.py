"""What the rehearsal plays: the sample's own commands, the faults that it plants, the knobs of a slow provider."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from strangler.service import Json

PLAN_FILE = Path(__file__).resolve().parents[1] / "plan" / "plan.py"

# After `python -m`. Each prints JSON: `REPLAY` sends orders to `--url`, `DISEASE` counts what came of them, `PLANT`
# plants a fault of a kind, `INVARIANTS` counts what has doubled or is lost.
REPLAY = ("legacy_app", "replay")
DISEASE = ("legacy_app", "disease")
INVARIANTS = ("legacy_app", "invariants")
PLANT = ("new_services", "plant")

STUCK = "stuck_event"
FAULTS = ("dropped_mail", "doubled_mail", "wrong_document", "dropped_charge", "wrong_reservation", STUCK)

Knobs: TypeAlias = Mapping[str, Mapping[str, Json]]  # by vendors' book
BUSY_PROVIDER: Knobs = MappingProxyType({"payments": {"latency_ms": 400}})
SLOW_PROVIDER: Knobs = MappingProxyType(
    {
        "payments": {
            "latency_ms": 20,
            "slow_share": 0.015,
            "slow_ms": 1300,
            "effect_then_slow_share": 0.015,
            "effect_then_slow_ms": 3000,
            "seed": 54,  # the first sixty calls meet a slow answer and a late one
        },
    }
)

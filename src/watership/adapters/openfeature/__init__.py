"""The OpenFeature API over the flags that stand beside the runs."""

from __future__ import annotations

from watership.adapters.openfeature.provider import WatershipProvider, provided

__all__ = ["WatershipProvider", "provided"]

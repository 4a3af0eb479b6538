"""Draws how evenly clients come back."""
from __future__ import annotations
from collections.abc import Mapping
from typing import Any

def draw(live: Mapping[str, Any], fleet: Mapping[str, Any]) -> str:
    return ""

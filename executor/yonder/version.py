"""Yonder's version, where every floor may read it."""

from __future__ import annotations

__version__ = "0.1.0"

IMAGE = f"yonder-executor:{__version__}"
"""The executor image that belongs to this version; `yonder image` makes it."""

"""Yonder: code in your editor, run on machines that start when you press Run and are gone when you close the window."""

from __future__ import annotations

__version__ = "0.1.0"

"""Yonder's version, where every floor may read it."""

from __future__ import annotations

__version__ = "0.1.0"

GETTING_IT = (
    "install it in Yonder's clone (pip install '.[lsp]'), or from the wheel that the extension brings along; the package "
    "called yonder on the public registry is another project's"
)
"""How a person gets this distribution."""

IMAGE = f"yonder-executor:{__version__}"
"""The executor image that belongs to this version; `yonder image` makes it."""

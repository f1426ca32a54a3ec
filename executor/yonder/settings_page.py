"""docs/settings.md, written from the table of what may be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from yonder import particulars
from yonder.choices import BACKENDS_TO_COME
from yonder.settable import KEYS, KIND_WORDS, TABLES


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the documentation."""

    table: str
    key: str
    value: str
    default: str
    about: str


_PAGE_TOP: Final = """\
# Settings

Yonder needs none. What you want otherwise stands in `pyproject.toml` of the workspace folder under `[tool.yonder]`; the
editor's `yonder.*` settings win over it. An unknown key or a value that is not allowed is an error that names itself, its
line and what is allowed.

This page is written by `python -m yonder.settings`.

```toml
[tool.yonder]
linger = 20
env = ["HF_HOME"]
include = ["models/*.json"]

[tool.yonder.session]
preload = ["torch"]

[tool.yonder.pools.default]
max = 16
idle_timeout = 120

[tool.yonder.pools.containers]
backend = "docker"
memory = "8GB"
options = { network = "lab" }
```
"""
_PAGE_END: Final = """\
The pool `default` always exists. Environment variables are named, never written here: their values are taken from the
machine that runs the editor, or from an `env_file` that you keep out of version control. Backends that will come later:
{later}."""


def describe() -> list[Row]:
    """Every setting in words."""
    return [
        Row(
            table=TABLES[key.scope] + (".<name>" if key.scope == "pool" else ""),
            key=key.name,
            value=KIND_WORDS[key.kind] + (f", at least {key.least:g}" if key.least else ""),
            default=_default_text(key.default),
            about=key.about,
        )
        for key in KEYS
    ]


def _default_text(default: object) -> str:
    if default in ("", {}):
        return "none"
    if isinstance(default, tuple):
        return "`[]`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def markdown() -> str:
    """docs/settings.md."""
    parts = [_PAGE_TOP]
    for table in dict.fromkeys(row.table for row in describe()):
        parts.append(f"## `[{table}]`\n\n| key | value | default | |\n|---|---|---|---|")
        parts += [f"| `{r.key}` | {r.value} | {r.default} | {r.about} |" for r in describe() if r.table == table]
        parts.append("")
    parts.append(particulars.tables())
    parts.append(_PAGE_END.format(later=", ".join(BACKENDS_TO_COME)))
    return "\n".join(parts) + "\n"

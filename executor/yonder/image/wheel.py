"""Yonder itself as a wheel, made from the package that runs here: an image gets exactly this code, no registry is asked.

What belongs here: the archive. What this file must not know: engines, images.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import zipfile
from collections.abc import Iterable
from pathlib import Path

from yonder.errors import UsageError
from yonder.version import GETTING_IT, __version__

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same files give the same archive, so that an image's layers are found again."""

WHEEL = "Wheel-Version: 1.0\nGenerator: yonder\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def requirements() -> list[str]:
    """What the executor's part of Yonder needs, as its installed metadata says. Raises UsageError where it has none."""
    try:
        told = importlib.metadata.requires("yonder") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(
            "yonder runs here from a folder and is not installed, so what it needs is not known; "
            f"{GETTING_IT}; then run this again"
        ) from error
    return sorted(line for line in told if "extra ==" not in line)


def write_own_wheel(folder: Path) -> Path:
    """Yonder's executor part as a wheel in this folder. Raises UsageError."""
    package = Path(__file__).parent.parent
    entries = [
        (f"yonder/{path.relative_to(package).as_posix()}", path.read_bytes())
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    name = f"yonder-{__version__}"
    needs = "".join(f"Requires-Dist: {line}\n" for line in requirements())
    metadata = f"Metadata-Version: 2.1\nName: yonder\nVersion: {__version__}\n{needs}"
    info = {"METADATA": metadata, "WHEEL": WHEEL, "entry_points.txt": "[console_scripts]\nyonder = yonder.cli:main\n"}
    entries += [(f"{name}.dist-info/{file}", text.encode()) for file, text in info.items()]
    return write_wheel(folder / f"{name}-py3-none-any.whl", f"{name}.dist-info", entries)


def write_wheel(target: Path, info: str, entries: Iterable[tuple[str, bytes]]) -> Path:
    """An archive of these (name, content), with its RECORD in the folder `info`."""
    record = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries:
            archive.writestr(_entry(name), content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}\n")
        archive.writestr(_entry(f"{info}/RECORD"), "".join([*record, f"{info}/RECORD,,\n"]))
    return target


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.external_attr = 0o644 << 16
    return entry

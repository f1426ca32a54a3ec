"""A matplotlib backend whose windows are the editor's: `plt.show()` and the end of a run send the open figures.

What belongs here: the backend module that matplotlib loads by its name (MPLBACKEND=module://yonder.agent.figures), so it
may import matplotlib; nothing else imports this file. What it must not know: lanes, tasks.
"""

from __future__ import annotations

import io
from typing import Any

from matplotlib import _pylab_helpers, backend_bases
from matplotlib.backends.backend_agg import FigureCanvasAgg

from yonder import seat

SHARPNESS = 144
"""Dots per inch: sharp on today's screens, and still about 100 kB for an ordinary plot."""


class FigureManagerYonder(backend_bases.FigureManagerBase):
    """A figure's window: `fig.show()` sends it and keeps it open, `plt.show()` sends all and closes them."""

    def show(self) -> None:
        send(self.canvas.figure)

    @classmethod
    def pyplot_show(cls, *, block: bool | None = None) -> None:
        del block  # sending never blocks
        flush()


class FigureCanvasYonder(FigureCanvasAgg):
    manager_class = FigureManagerYonder


def send(figure: Any) -> None:
    """Draw a figure and say it to whoever watches this task."""
    found = seat.current()
    if found is None:
        return
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=max(SHARPNESS, figure.dpi), bbox_inches="tight")
    found.recorder.display("image/png", picture.getvalue(), _title(figure))


def _title(figure: Any) -> str:
    """What the picture is called, for those who cannot see it."""
    above = getattr(figure, "_suptitle", None)
    titles = [above.get_text() if above is not None else "", *(axes.get_title() for axes in figure.axes)]
    return next((title for title in titles if title), "figure")


def flush() -> None:
    """Send every open figure that shows something, and close them all: the next run begins with none."""
    managers = _pylab_helpers.Gcf.get_all_fig_managers()
    try:
        for manager in managers:
            figure = manager.canvas.figure
            if figure.axes or figure.texts or figure.images or figure.lines or figure.patches:
                send(figure)
    finally:
        for manager in managers:
            _pylab_helpers.Gcf.destroy(manager)


FigureCanvas = FigureCanvasYonder
FigureManager = FigureManagerYonder

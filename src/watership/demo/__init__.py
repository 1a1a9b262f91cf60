"""The demo: the main job in one command. A live system changes its version, a broken release is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watership.demo.figures import Figures
    from watership.demo.options import Options


def run_demo(options: Options) -> Figures:
    """Play the whole demo, and say what was measured. The agents' builds import this package: it stays light."""
    from watership.demo.play import play

    return play(options)

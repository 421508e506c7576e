"""What a probe is: it starts as little as it can and says what it observed, and whether the programs rely on that.

Probes of one service run in order: later ones look at the work of earlier ones.
"""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Probe:
    """One fact of docs/verified.md."""

    id: str
    needs: tuple
    cost: str
    check: Callable

    def missing(self, live):
        return [f"LIVE_{name}" for name in self.needs if not live.env(name)]


ALL = []


def probe(name, *needs, cost="the work of the probes above it, or the same work where it runs alone"):
    """Adds a function to the probes."""
    def add(check):
        ALL.append(Probe(name, needs, cost, check))
        return check
    return add


def seconds(took):
    return f"{took:.1f} s"

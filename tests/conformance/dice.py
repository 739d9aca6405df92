"""Random choices that are spelled as they are meant."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")


class Dice(Random):
    """A random generator that is reproducible from a text.

    Python seeds from a string through SHA-512, so that `Dice("7/12")` is the same on every machine.
    """

    def chance(self, share: float) -> bool:
        """Say yes in this share of the calls."""
        return self.random() < share

    def weighted(self, weights: Mapping[Item, float]) -> Item:
        """Pick a key of the mapping, each as often as its weight says."""
        return self.choices(list(weights), list(weights.values()))[0]

    def some(self, items: Sequence[Item], at_most: int) -> list[Item]:
        """Pick up to that many different items; maybe none."""
        return self.sample(items, self.randint(0, min(at_most, len(items))))

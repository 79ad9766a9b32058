"""What a number may be."""

from __future__ import annotations

from attrs import frozen


@frozen
class Range:
    """What a number may be: from `least` to `most`, or strictly between `above` and `below`."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    among: tuple[int, ...] = ()
    every: int | None = None  # from `least` to `most` in steps of so many

    def holds(self, value: float) -> bool:
        """Whether a value lies in the range."""
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and (not self.among or value in self.among)
            and (self.every is None or (value - (self.least or 0)) % self.every == 0)
        )

    @property
    def in_per_cent(self) -> str:
        """The range of a share that was written in per cent: `above 0% and at most 100%`."""
        return " and ".join(f"{word} {_plain(100 * bound)}%" for word, bound in self._sides if bound is not None)

    @property
    def _sides(self) -> tuple[tuple[str, float | None], ...]:
        return (("at least", self.least), ("above", self.above), ("at most", self.most), ("below", self.below))

    def __str__(self) -> str:
        if self.among:
            return f"one of {', '.join(map(str, self.among))}"
        if self.every:
            first = self.least or 0
            some = ", ".join(_plain(first + times * self.every) for times in range(3))
            return f"one of {some} ... {_plain(self.most or 0)}"
        return " and ".join(f"{word} {_plain(bound)}" for word, bound in self._sides if bound is not None)


def _plain(value: float) -> str:
    """A bound as a user would write it: 1048576 and not 1.04858e+06."""
    return str(int(value)) if float(value).is_integer() else f"{value:g}"

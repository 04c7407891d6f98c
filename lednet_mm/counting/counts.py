"""Multiply-add counts of a network from several counters, and the operators on which they disagree."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

HEADLINE = "fvcore"
"""The counter whose total is quoted; the totals of the others stand beside it."""

AGAIN = " again"
"""End of the name of an operator that the counter has already counted as part of a module."""

BIAS = "bias"

KINDS = {
    "counted again": rf"{AGAIN}$",
    "adding the bias": rf"^{BIAS}$",
    "convolution": r"conv",
    "normalisation": r"norm",
    "resizing": r"upsampl|interpolate|grid_sampl",
    "pooling": r"pool",
    "matrix products": r"linear|mm$|matmul|einsum|attention",
    "activation": r"elu|gelu|silu|sigmoid|softmax|tanh|swish",
    "other arithmetic": r"",
}
"""Kind of work -> pattern for the names that counters give its operators; the first match counts."""


@dataclass
class Counts:
    """The counts of a network by all counters.

    Attributes:
        counters: counter -> operator, as the counter names it -> MACs.
        missed: counter -> operator that it ignores -> how often the operator runs.
        failed: counter that could not count this network -> reason.
    """

    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    missed: dict[str, dict[str, int]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def total(self, counter: str) -> int:
        """Return a counter's total over all operators."""
        return sum(self.counters[counter].values())

    def by_kind(self, counter: str) -> Counter[str]:
        """Return kind of work (see :data:`KINDS`) -> MACs of one counter."""
        kinds: Counter[str] = Counter()
        for operator, macs in self.counters[counter].items():
            kinds[kind_of(operator)] += macs
        return kinds

    def spread(self) -> float:
        """Return the difference of the largest and smallest total as a share of the headline."""
        totals = [self.total(counter) for counter in self.counters]
        return (max(totals) - min(totals)) / self.total(HEADLINE) if self.total(HEADLINE) else 0.0

    def explain(self, threshold: float = 0.001) -> dict[str, str]:
        """Explain from the tables why each counter's total differs from the headline.

        Args:
            threshold: differences below this share of the headline are summed up without naming them.

        Returns:
            counter -> one line that contains every difference between the totals.
        """
        base, whole = self.by_kind(HEADLINE), self.total(HEADLINE)
        lines = {}
        for counter in self.counters:
            if counter == HEADLINE:
                continue
            own = self.by_kind(counter)
            unseen = {kind_of(operator) for operator in self.missed.get(counter, {})}
            parts, rest = [], 0
            for kind in KINDS:
                difference = own[kind] - base[kind]
                if abs(difference) <= threshold * whole:
                    rest += difference
                elif not own[kind]:
                    parts.append(f"{kind} not counted ({_giga(difference)})")
                elif not base[kind]:
                    parts.append(f"{kind} counted, not by {HEADLINE} ({_giga(difference)})")
                elif difference < 0 and kind in unseen:
                    parts.append(f"{kind} counted in part ({_giga(difference)})")
                else:
                    parts.append(f"{kind} by another rule ({_giga(difference)})")
            if rest:
                parts.append(f"smaller differences ({_giga(rest)})")
            total = self.total(counter) - whole
            lines[counter] = f"{_giga(total)} G, {total / whole:+.1%}: {', '.join(parts) or 'nothing'}"
        return lines


def _giga(macs: int) -> str:
    return f"{macs / 1e9:+.3f}"


def kind_of(operator: str) -> str:
    """Return the kind of work of an operator, under the name that any counter gives it."""
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, operator.lower()))

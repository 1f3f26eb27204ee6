"""Account of the objects that a reader or a writer handles: kept, changed or skipped, with the reasons."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class ConversionReport:
    """Numbers of the objects that a reader or a writer kept, changed and skipped.

    Attributes:
        kept: Number of objects in the result.
        changed: Number of kept objects per loss, such as a mask that became a box.
        skipped: Number of objects that are missing in the result, per reason.
        examples: The first object per reason, as `file: object`.
        expected: Reasons that the format documents, such as crowd regions in YOLO. Objects that are skipped for other
            reasons need a decision of the user.
    """

    kept: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        """The number of all objects."""
        return self.kept + sum(self.skipped.values())

    @property
    def needs_decision(self) -> bool:
        """Whether objects were skipped for a reason that the format does not imply."""
        return any(reason not in self.expected for reason in self.skipped)

    def keep(self, count: int = 1) -> None:
        """Count objects in the result."""
        self.kept += count

    def change(self, reason: str, place: str = "") -> None:
        """Count an object that is kept with a loss."""
        self.changed[reason] += 1
        self.examples.setdefault(reason, place)

    def skip(self, reason: str, place: str = "", *, is_expected: bool = False) -> None:
        """Count an object that is missing in the result."""
        self.skipped[reason] += 1
        self.examples.setdefault(reason, place)
        if is_expected:
            self.expected.add(reason)

    def add(self, other: "ConversionReport") -> None:
        """Add the counts of another report."""
        self.kept += other.kept
        self.changed.update(other.changed)
        self.skipped.update(other.skipped)
        self.examples = {**other.examples, **self.examples}
        self.expected |= other.expected

    def lines(self) -> list[str]:
        """Return a summary line, then one line per reason with its first object."""
        summary = f"{self.total} objects, {self.kept} kept, {sum(self.skipped.values())} skipped"
        reasons = [("skipped", self.skipped), ("changed", self.changed)]
        return [summary] + [
            f"{verb} {count}: {reason}" + (f" (first: {self.examples[reason]})" if self.examples.get(reason) else "")
            for verb, counts in reasons
            for reason, count in counts.most_common()
        ]

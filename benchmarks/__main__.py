"""What can be run: `python -m benchmarks` lists the benchmarks, their systems and the time they take."""

from __future__ import annotations

from benchmarks.harness.rooms import rooms
from benchmarks.harness.table import Table, show


def table() -> Table:
    """The benchmarks as a table."""
    rows = tuple((room.name, room.question, room.systems, room.time) for room in rooms())
    return Table(
        "python -m benchmarks.NAME (--help lists the options)", ("name", "question", "systems", "typical time"), rows
    )


def main() -> None:
    """Print the table."""
    show([table()], ())


if __name__ == "__main__":
    main()

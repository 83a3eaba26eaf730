import csv
import datetime
from pathlib import Path
from statistics import mean


def read_log(path: Path) -> dict[datetime.date, list[float]]:
    days: dict[datetime.date, list[float]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            when = datetime.datetime.fromisoformat(row["time"])
            days.setdefault(when.date(), []).append(float(row["celsius"]))
    return days


def report(days: dict[datetime.date, list[float]]) -> str:
    lines = []
    for day, values in sorted(days.items()):
        low, high = min(values), max(values)
        lines.append(f"{day}: {low:.1f} to {high:.1f}, mean {mean(values):.1f}")
    return "\n".join(lines)


def fahrenheit(celsius: float) -> float:
    return celsius * 9 / 5 + 32

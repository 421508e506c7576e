#!/usr/bin/env python3
"""Writes docs/performance.md and its plots from what the other scripts have left in target/bench.

Needs gnuplot (`apt-get install gnuplot-nox`).
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from process import Wrong
from stage import BENCH, ROOT
from works import HOPS, TASKS

PAGE = ROOT / "docs/performance.md"
PLOTS = ROOT / "docs/performance"


def read(name: str) -> dict[str, Any]:
    """What a script has measured."""
    file = BENCH / f"{name}.json"
    if not file.exists():
        raise Wrong(f"{file} is missing: `make bench` measures it")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def plot(name: str, title: str, axes: tuple[str, str], lines: dict[str, list[tuple[float, float]]], log: str) -> str:
    """Draws an SVG with gnuplot; gives the Markdown that shows it."""
    PLOTS.mkdir(exist_ok=True)
    blocks = "".join(
        f"${chr(97 + place)} << EOD\n" + "".join(f"{x} {y}\n" for x, y in points) + "EOD\n"
        for place, points in enumerate(lines.values())
    )
    curves = ", ".join(
        f"${chr(97 + place)} using 1:2 with linespoints lw 2 pt 7 ps 0.5 title '{line}'"
        for place, line in enumerate(lines)
    )
    script = f"""\
set terminal svg size 640,400 font 'sans-serif,12' background 'white'
set output '{PLOTS / name}.svg'
set title '{title}'
set xlabel '{axes[0]}'
set ylabel '{axes[1]}'
set grid
set key outside bottom center horizontal
set yrange [{"*" if "y" in log else "0"}:*]
{f"set logscale {log}" if log else ""}
{blocks}plot {curves}
"""
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return f"\n![{title}](performance/{name}.svg)\n"


def median(values: list[float]) -> float:
    """Of the rounds."""
    return statistics.median(values)


def short_runs(record: dict[str, Any]) -> str:
    """A table of what a short run costs, for each work."""
    text = ""
    for name, work in record["works"].items():
        rows = []
        for contender, figures in work["measured"].items():
            traced = figures["traced"] or {}
            kib = [f"{traced[key] / 1024:.1f}" if traced else "–" for key in ("sent_bytes", "received_bytes")]
            instructions, size = figures["instructions"], figures["size_bytes"]
            rows.append(
                [
                    contender,
                    f"{median(figures['cpu_ms']):.1f}",
                    f"{median(figures['wall_ms']):.1f}",
                    f"{median(figures['peak_rss_kib']) / 1024:.1f}",
                    f"{instructions / 1e6:.1f}" if instructions else "–",
                    str(traced.get("syscalls", "–")),
                    str(traced.get("connections", "–")),
                    *kib,
                    f"{size / 2**20:.2f}" if size else "–",
                ]
            )
        heads = ["", "CPU, ms", "wall, ms", "peak RSS, MiB", "instructions, M", "system calls", "connections"]
        calls = ", ".join([*HOPS, *TASKS[name].operations])
        text += f"\n### {TASKS[name].product}, {name}\n\n{calls}\n\n"
        text += table([*heads, "sent, KiB", "received, KiB", "size, MiB"], rows) + "\n"
        verdicts = [
            [what, f"{value:.3g}", f"{limit:.3g}", "kept" if value <= limit else "**not kept**"]
            for what, value, limit in work["budgets"]
        ]
        text += table(["budget", "measured", "at most", ""], verdicts)
    return text


def scaling(record: dict[str, Any]) -> str:
    """Plots and figures of what grows."""
    hops = record["hops"]
    cpu = {name: [(one["hops"], one["cpu_ms"]) for one in costs] for name, costs in hops.items()}
    text = "\n## Hops\n\nCPU of a chain of so many roles and an `Invoke`, in ms.\n\n"
    rows = [[name, *(f"{one['cpu_ms']:.1f}" for one in costs)] for name, costs in hops.items()]
    text += table(["", *(str(one["hops"]) for one in hops["floor"])], rows)
    text += plot("hops", "CPU by hops of the chain", ("hops", "CPU, ms"), cpu, "y")
    waits = record["waits"]
    text += "\n## Waiting\n\n`glue-trigger` with a look every 250 ms; ten hours are in a test of their own.\n\n"
    rows = [
        [str(one["seconds"]), str(one["looks"]), f"{one['cpu_ms']:.1f}", f"{one['rss_kib'] / 1024:.1f}"]
        for one in waits
    ]
    text += table(["seconds", "looks", "CPU, ms", "peak RSS, MiB"], rows)
    line = {"glue-trigger": [(one["seconds"], one["cpu_ms"]) for one in waits]}
    text += plot("waiting", "CPU by the time that a run waits", ("seconds, 4 looks in each", "CPU, ms"), line, "")
    results = record["rows"]
    text += "\n## Results\n\nRows of five columns as CSV. `redshift-query` and the floor read pages of the Data API, "
    text += "`rds-connect` and `psql` ask PostgreSQL over TLS.\n\n"
    rows = [
        [name, *(f"{one['cpu_ms']:.0f} ms, {one['rss_kib'] / 1024:.1f} MiB" for one in costs)]
        for name, costs in results.items()
    ]
    text += table(["", *(f"{one['rows']} rows" for one in results["psql"])], rows)
    for what, unit, by in (("cpu_ms", "CPU, ms", 1), ("rss_kib", "peak RSS, MiB", 1024)):
        lines = {name: [(one["rows"], one[what] / by) for one in costs] for name, costs in results.items()}
        name = "rows-" + what.partition("_")[0]
        text += plot(name, f"{unit} by rows of the result", ("rows", unit), lines, "xy")
    return text


def fan_out(record: dict[str, Any]) -> str:
    """Calls per second by calls in flight."""
    rows, lines = [], {"lambda-invoke": [], "wrk": []}
    for row in record["measured"]:
        each = {name: median([one["per_second"] for one in row[key]]) for name, key in
                (("lambda-invoke", "ours"), ("wrk", "wrk"))}
        for name, value in each.items():
            lines[name].append((row["concurrency"], value))
        cpu = median([one["cpu_us"] for one in row["ours"]])
        rss = median([one["rss_kib"] for one in row["ours"]]) / 1024
        rows.append([str(row["concurrency"]), *(f"{value:.0f}" for value in each.values()), f"{cpu:.0f}", f"{rss:.1f}"])
    text = "\n## Fan-out\n\n`lambda-invoke --batch`, which signs every call and puts the answers in order, beside `wrk`, which "
    text += "sends one request again and again: calls a second.\n\n"
    text += table(["in flight", "lambda-invoke", "wrk", "CPU a call, µs", "peak RSS, MiB"], rows)
    return text + plot("fan-out", "Calls a second", ("calls in flight", "calls a second"), lines, "x")


HEAD = """\
# Performance

Made by `make bench-page` from the figures that `make bench` has left in `target/bench` as JSON; how each is measured, and why so, is in
[tests/bench](../tests/bench). Every figure is a median of interleaved rounds. Times depend on the machine and its load: compare those of
one table. Instructions, system calls and bytes hardly do.

`floor` is the least that does the same work: rustls, blocking sockets, own signing, no SDK, no options, no retries; `curl` sends as many
requests over as many connections; `aws-cli` is the AWS CLI with the same profiles. The floor reads the CA bundle with rustls' own reader,
which decodes in constant time and has half of its instructions; the products read it faster, and so may have fewer of them than the floor.

Machine: {machine}
"""


def main() -> int:
    """Reads, draws, writes."""
    runs = read("result")
    machine = ", ".join(f"{key} {value}" for key, value in runs["machine"].items())
    text = HEAD.format(machine=machine) + "\n## One short run\n" + short_runs(runs)
    text += scaling(read("scale")) + fan_out(read("fan-out"))
    PAGE.write_text(text)
    print(PAGE)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"error: {wrong}")

#!/usr/bin/env python3
"""What `rds-connect query` takes to print a large result as CSV, beside `psql --csv`.

Both ask a throw-away PostgreSQL for the same rows, over TLS that they verify, and write them to /dev/null. README.md says
more. Needs Python 3.11, Linux, PostgreSQL and openssl.
"""

import argparse
import json
import socket
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from postgres import Postgres, programs
from process import Runner, Whole, Wrong
from stage import BENCH, Binaries, build, machine, spread, told_about
from stream import SQL

OURS, PSQL = "rds-connect", "psql"
MOST_RATIO = 1.5
MOST_MIB = 24.0


@dataclass
class Sample:
    """One process that has printed everything."""

    cpu_ms: float
    wall_ms: float
    rss_kib: int


class Bench:
    """Prints the rows of one statement."""

    def __init__(self, postgres: Postgres, directory: Path, options: argparse.Namespace) -> None:
        """Nothing is run yet."""
        self.ours = Binaries.within(options.binaries).product(OURS)
        self.runner, self.rows = Runner(directory, BENCH), options.rows
        self.env = {
            "PGHOST": "localhost",
            "PGHOSTADDR": "127.0.0.1",
            "PGPORT": str(postgres.port),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
            "PGSSLMODE": "verify-full" if options.tls else "disable",
        }
        if options.tls:
            self.env["PGSSLROOTCERT"] = str(postgres.certificate)

    def run(self, name: str, into: str = "/dev/null") -> Whole:
        """Prints all rows."""
        sql = SQL.format(rows=self.rows)
        if name == OURS:
            command = [str(self.ours), "query", "--output", "csv", "--output-file", into, "--sql", sql]
        else:
            command = [str(programs() / "psql"), "-X", "--csv", "-o", into, "-c", sql]
        return self.runner.whole(command, self.env)

    def same_work(self, directory: Path) -> int:
        """Each once, checked for what it printed; gives the bytes."""
        files = {name: directory / f"{name}.csv" for name in (OURS, PSQL)}
        for name, file in files.items():
            self.run(name, str(file))
        ours, theirs = (file.read_bytes() for file in files.values())
        if ours != theirs or ours.count(b"\n") != self.rows + 1:
            raise Wrong("the two did not print the same")
        return len(ours)

    def sample(self, name: str) -> Sample:
        """One printing."""
        ran = self.run(name)
        return Sample(ran.cpu_ms, ran.wall_ms, ran.rss_kib)


def ratio(measured: dict[str, list[Sample]], of: str) -> float:
    """Median of the ratios of runs that were made one after the other."""
    both = zip(measured[OURS], measured[PSQL], strict=True)
    return statistics.median(getattr(ours, of) / getattr(theirs, of) for ours, theirs in both)


def table(measured: dict[str, list[Sample]], rows: int) -> str:
    """The figures as Markdown."""
    lines = ["| | CPU, ms | wall, ms | CPU a row, µs | peak RSS, MiB |", "| --- | --- | --- | --- | --- |"]
    for name, samples in measured.items():
        cpu, wall = spread([one.cpu_ms for one in samples], 0), spread([one.wall_ms for one in samples], 0)
        per_row = statistics.median(one.cpu_ms * 1000 / rows for one in samples)
        lines.append(f"| {name} | {cpu} | {wall} | {per_row:.2f} | {rss_mib(samples):.1f} |")
    return "\n".join(lines)


def rss_mib(samples: list[Sample]) -> float:
    """The largest peak."""
    return max(one.rss_kib for one in samples) / 1024


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def main() -> int:
    """Builds if asked to, measures, reports; 1 if a budget is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--build", action="store_true", help="build the static binaries first")
    add("--tls", action=argparse.BooleanOptionalAction, default=True, help="default: %(default)s")
    add("--rounds", type=int, default=7, help="default: %(default)s")
    add("--rows", type=int, default=1_000_000, help="of the result; default: %(default)s")
    add("--binaries", type=Path, help="take the binary from here: to try the script, not for figures")
    options = parser.parse_args()
    if options.build:
        build()
    BENCH.mkdir(parents=True, exist_ok=True)
    about = machine()
    measured: dict[str, list[Sample]] = {OURS: [], PSQL: []}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Postgres(free_port()) as postgres:
        directory = Path(name)
        bench = Bench(postgres, directory, options)
        size = bench.same_work(directory)
        for turn in range(options.rounds):
            for contender in measured if turn % 2 == 0 else reversed(measured):
                measured[contender].append(bench.sample(contender))
    over = "TLS" if options.tls else "plain TCP"
    print(f"{options.rows} rows of 5 columns, {size} bytes as CSV, over {over}\n")
    print(table(measured, options.rows) + "\n")
    cpu, rss = ratio(measured, "cpu_ms"), rss_mib(measured[OURS])
    verdicts = [
        (cpu <= MOST_RATIO, f"CPU, times psql's: {cpu:.4g}, at most {MOST_RATIO:.4g}"),
        (rss <= MOST_MIB, f"peak RSS: {rss:.4g} MiB, at most {MOST_MIB:.4g}"),
    ]
    for kept, text in verdicts:
        print(f"{'PASS' if kept else 'FAIL'}  {text}")
    print(f"      wall, times psql's: {ratio(measured, 'wall_ms'):.4g}\n")
    print(told_about(about))
    samples = {contender: [asdict(one) for one in them] for contender, them in measured.items()}
    record = {"machine": about, "tls": options.tls, "rows": options.rows, "csv_bytes": size}
    (BENCH / "query.json").write_text(json.dumps(record | {"measured": samples}, indent=1))
    return 0 if all(kept for kept, _ in verdicts) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"error: {wrong}")

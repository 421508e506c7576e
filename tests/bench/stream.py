#!/usr/bin/env python3
"""What redshift-query takes to read a large result as CSV, beside a bare program that only parses its pages.

A statement with a million rows has finished in the local AWS (tests/sandbox, on a throw-away PostgreSQL);
`redshift-query result ID --output csv` and the floor fetch the same pages of it. README.md says more. Needs
Python 3.11, Linux and PostgreSQL.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from postgres import Postgres
from process import Runner, Whole, Wrong
from stage import (
    BENCH,
    DATABASE,
    REGION,
    ROLE_A,
    ROLE_B,
    WORKGROUP,
    Binaries,
    Sandbox,
    build,
    machine,
    spread,
    told_about,
)

OURS, FLOOR = "redshift-query", "floor"
MOST_RATIO = 2.0
# A whole number, a text, a decimal, a floating-point number, and a date that is often NULL.
SQL = """\
select n, 'customer ' || n as name, (n % 10000) / 100.0 as amount, n / 3.0::float8 as third,
case when n % 11 <> 0 then date '2026-01-01' + n % 365 end as day from generate_series(1, {rows}) n"""
PAGE = "GetStatementResult"


@dataclass
class Sample:
    """One process that has read everything."""

    cpu_ms: float
    wall_ms: float
    # The sandbox's, meanwhile.
    sandbox_ms: float
    rss_kib: int


class Bench:
    """Reads the result of one statement."""

    def __init__(self, sandbox: Sandbox, directory: Path, options: argparse.Namespace) -> None:
        """Runs the statement and waits for its end."""
        binaries = Binaries.within(options.binaries)
        self.ours, self.floor = binaries.product(OURS), binaries.product(FLOOR)
        self.runner, self.sandbox, self.rows = Runner(directory, BENCH), sandbox, options.rows
        sts, service = sandbox.hosts(options.tls)
        endpoints = {"AWS_ENDPOINT_URL_STS": sts, "AWS_ENDPOINT_URL_REDSHIFT_DATA": service}
        trust = {"AWS_CA_BUNDLE": str(sandbox.bundle)} if options.tls else {}
        roles = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(sandbox.token_file), "ROLES": f"{ROLE_A} {ROLE_B}"}
        self.profiles = endpoints | trust | sandbox.profiles()
        self.variables = endpoints | trust | roles | {"AWS_REGION": REGION}
        where = ["--workgroup-name", WORKGROUP, "--database", DATABASE, "--output", "csv"]
        sql = SQL.format(rows=self.rows)
        started = self.runner.whole([str(self.ours), *where, "--no-wait", "--sql", sql], self.profiles)
        self.id = started.printed.strip()
        self.runner.whole([str(self.ours), "result", self.id, "--output", "none"], self.profiles)

    def read_by_ours(self, into: str = "/dev/null") -> Whole:
        """Prints all rows."""
        command = [str(self.ours), "result", self.id, "--output", "csv", "--output-file", into]
        ran = self.runner.whole(command, self.profiles)
        self.all(json.loads(ran.printed)["rows"], OURS)
        return ran

    def read_by_floor(self) -> Whole:
        """Parses all pages."""
        ran = self.runner.whole([str(self.floor), "redshift-pages", self.id], self.variables)
        self.all(int(ran.printed), FLOOR)
        return ran

    def all(self, rows: int, name: str) -> None:
        """Checks that a contender has seen every row."""
        if rows != self.rows:
            raise Wrong(f"{name} read {rows} rows of {self.rows}")

    def same_work(self, directory: Path) -> tuple[int, int]:
        """Each once, checked for what it fetched and printed; gives the pages, and the bytes of CSV."""
        printed = directory / "printed.csv"
        before = self.pages()
        self.read_by_ours(str(printed))
        between = self.pages()
        self.read_by_floor()
        ours, floor = between - before, self.pages() - between
        if ours != floor:
            raise Wrong(f"{OURS} fetched {ours} pages, {FLOOR} {floor}")
        with printed.open("rb") as lines:
            self.all(sum(1 for _ in lines) - 1, OURS)
        return ours, printed.stat().st_size

    def pages(self) -> int:
        """How many were fetched so far."""
        return sum(call["operation"] == PAGE for call in self.sandbox.told("calls"))

    def sample(self, name: str) -> Sample:
        """One reading."""
        before_ms = self.sandbox.cpu_ms()
        ran = self.read_by_ours() if name == OURS else self.read_by_floor()
        return Sample(ran.cpu_ms, ran.wall_ms, self.sandbox.cpu_ms() - before_ms, ran.rss_kib)


def ratio(measured: dict[str, list[Sample]], of: str) -> float:
    """Median of the ratios of readings that were made one after the other."""
    both = zip(measured[OURS], measured[FLOOR], strict=True)
    return statistics.median(getattr(ours, of) / getattr(floor, of) for ours, floor in both)


def table(measured: dict[str, list[Sample]], rows: int) -> str:
    """The figures as Markdown."""
    lines = [
        "| | CPU, ms | wall, ms | rows a second | CPU a row, µs | peak RSS, MiB "
        "| the sandbox's CPU beside it, ms |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, samples in measured.items():
        cpu, wall = spread([one.cpu_ms for one in samples], 0), spread([one.wall_ms for one in samples], 0)
        per_second = statistics.median(rows * 1000 / one.wall_ms for one in samples)
        per_row = statistics.median(one.cpu_ms * 1000 / rows for one in samples)
        rss = statistics.median(one.rss_kib for one in samples) / 1024
        sandbox = statistics.median(one.sandbox_ms for one in samples)
        figures = f"{per_second:.0f} | {per_row:.2f} | {rss:.1f} | {sandbox:.0f}"
        lines.append(f"| {name} | {cpu} | {wall} | {figures} |")
    return "\n".join(lines)


def main() -> int:
    """Builds if asked to, measures, reports; 1 if the budget is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--build", action="store_true", help="build the static binaries and the sandbox first")
    add("--tls", action="store_true", help="over TLS instead of plain HTTP")
    add("--rounds", type=int, default=7, help="default: %(default)s")
    add("--rows", type=int, default=1_000_000, help="of the result; default: %(default)s")
    add("--page-rows", type=int, default=1000, help="of a page; default: %(default)s")
    add("--binaries", type=Path, help="take all binaries from here: to try the script, not for figures")
    options = parser.parse_args()
    if options.build:
        build()
    BENCH.mkdir(parents=True, exist_ok=True)
    about = machine()
    measured: dict[str, list[Sample]] = {OURS: [], FLOOR: []}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Postgres() as postgres:
        directory = Path(name)
        more = f"{postgres.world()}page_rows = {options.page_rows}\n"
        with Sandbox(Binaries.within(options.binaries).sandbox(), directory, more) as sandbox:
            bench = Bench(sandbox, directory, options)
            pages, size = bench.same_work(directory)
            for turn in range(options.rounds):
                for contender in measured if turn % 2 == 0 else reversed(measured):
                    measured[contender].append(bench.sample(contender))
    over = "TLS" if options.tls else "plain HTTP"
    print(f"{options.rows} rows of 5 columns in {pages} pages, {size} bytes as CSV, over {over}\n")
    print(table(measured, options.rows) + "\n")
    cpu = ratio(measured, "cpu_ms")
    kept = cpu <= MOST_RATIO
    print(f"{'PASS' if kept else 'FAIL'}  CPU, times the floor's: {cpu:.4g}, at most {MOST_RATIO:.4g}")
    print(f"      wall, times the floor's: {ratio(measured, 'wall_ms'):.4g}\n")
    print(told_about(about))
    samples = {contender: [asdict(one) for one in them] for contender, them in measured.items()}
    record = {"machine": about, "tls": options.tls, "rows": options.rows, "pages": pages, "csv_bytes": size}
    (BENCH / "stream.json").write_text(json.dumps(record | {"measured": samples}, indent=1))
    return 0 if kept else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"error: {wrong}")

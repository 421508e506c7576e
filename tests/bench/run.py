#!/usr/bin/env python3
"""What one short run of each product costs, beside the least it could cost, curl and the AWS CLI.

Each contender makes the same calls over TLS to two hosts of the local AWS (tests/sandbox): two hops through
STS, then one of the works of works.py. README.md says what is measured; `run.py --help` lists the options.
Needs Python 3.11, curl and Linux, and PostgreSQL for Redshift; counts instructions where valgrind is
installed, system calls and traffic where strace is.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from postgres import Postgres
from process import Cost, Runner, Steps, Traced, Work, Wrong
from stage import (
    BENCH,
    REGION,
    ROLE_A,
    ROLE_B,
    Binaries,
    Sandbox,
    build,
    machine,
    spread,
    told_about,
    version,
)
from works import HOPS, TASKS, Task, contains

OURS, FLOOR, CURL, CLI = "ours", "floor", "curl", "aws-cli"
MEMORY_RUNS = 5
# Instructions of each product when somebody last accepted them, in millions; they do not depend on the machine's mood.
ACCEPTED = Path(__file__).resolve().parent / "instructions.json"
MOST_GROWTH = 1.03


# --- the contenders -----------------------------------------------------------------------------------------


@dataclass
class Contender(Work):
    """A program that does the work, in one process or more, and what that cost."""

    # What it is called in options; its name is the program's.
    part: str = OURS
    binary: Path | None = None
    costs: list[Cost | None] = field(default_factory=list)
    rss_kib: list[int] = field(default_factory=list)
    instructions: int | None = None
    traced: Traced | None = None


def contenders(task: Task, sandbox: Sandbox, directory: Path, options: argparse.Namespace) -> list[Contender]:
    """The programs to compare, ready to run."""
    sts, service = sandbox.hosts(tls=True)
    env = {"AWS_CA_BUNDLE": str(sandbox.bundle), "AWS_ENDPOINT_URL_STS": sts}
    if task.service:
        env[f"AWS_ENDPOINT_URL_{task.service}"] = service
    roles = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(sandbox.token_file), "ROLES": f"{ROLE_A} {ROLE_B}"}

    def one_binary(*command: str) -> Callable[[], Steps]:
        def steps() -> Steps:
            contains((yield list(command)), task.shown)

        return steps

    def curl() -> Steps:
        # Unsigned: refused, but over the same connections.
        common = ["--silent", "--http1.1", "--cacert", str(sandbox.bundle)]
        form = ["--data", "Action=GetCallerIdentity&Version=2011-06-15"]
        command = ["curl", *common, *form, *[sts] * len(HOPS)]
        if task.request:
            path, headers, body = task.request
            of_service = [*(word for header in headers for word in ("-H", header)), "--data", body]
            command += ["--next", *common, *of_service, *[service + path] * len(task.operations)]
        yield command

    home = directory / "home"
    aws = aws_program() if CLI in options.only else ""

    def cli() -> Steps:
        # It keeps role sessions below HOME; a container starts without any.
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        yield from task.cli(aws, directory)

    binaries = Binaries.within(options.binaries)
    ours, floor = binaries.product(task.product), binaries.product(FLOOR)
    profiles = env | sandbox.profiles()
    known = [
        Contender(task.product, one_binary(str(ours), *task.options), profiles, OURS, ours),
        Contender(
            FLOOR,
            one_binary(str(floor), task.name),
            env | roles | task.variables | {"AWS_REGION": REGION},
            FLOOR,
            floor,
        ),
        Contender(CURL, curl, env, CURL),
        Contender(CLI, cli, profiles | {"HOME": str(home)}, CLI),
    ]
    return [contender for contender in known if contender.part in options.only]


def aws_program() -> str:
    """The AWS CLI itself: beside this Python, on PATH (no shell script in front of it), or from PyPI."""
    venv = BENCH / "awscli"
    places = [Path(sys.base_prefix) / "bin", *map(Path, os.get_exec_path()), venv / "bin"]
    for aws in (place / "aws" for place in places):
        if aws.is_file():
            start = aws.open("rb").readline(200)
            if start.startswith(b"\x7fELF") or b"python" in start:
                return str(aws)
    print("installing the AWS CLI from PyPI", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run([venv / "bin/pip", "install", "--quiet", "awscli"], check=True)
    return str(venv / "bin/aws")


def same_work(task: Task, sandbox: Sandbox, runner: Runner, contender: Contender) -> None:
    """One run, checked for its requests and connections."""
    before = len(sandbox.told("calls"))
    runner.cost(contender)
    calls = sandbox.told("calls")[before:]
    connections = len({call["connection"] for call in calls})
    done = [call["operation"] for call in calls]
    work = HOPS + task.operations
    # curl's requests are unsigned ones; the AWS CLI opens a connection for each request.
    good = len(done) == len(work) if contender.part == CURL else done == work
    hosts = 2 if task.operations else 1
    if not good or (connections != hosts and contender.part != CLI):
        raise Wrong(f"{contender.name} did other work: {done} over {connections} connections")


# --- reporting ----------------------------------------------------------------------------------------------


def pairs(first: Contender, second: Contender, value: Callable[[Cost], float]) -> float:
    """Median of the ratios of runs that were made one after the other."""
    both = zip(first.costs, second.costs, strict=True)
    return statistics.median(value(a) / value(b) for a, b in both if a and b)


def is_static(binary: Path) -> bool:
    """Whether a binary needs nothing but the kernel."""
    ldd = subprocess.run(["ldd", binary], capture_output=True, text=True)
    return bool(re.search("statically linked|not a dynamic executable", ldd.stdout + ldd.stderr))


def figures(measured: list[Contender]) -> dict[str, Any]:
    """Everything measured, for the record."""
    table = {}
    for one in measured:
        costs = [cost for cost in one.costs if cost]
        table[one.name] = {
            "cpu_ms": [round(cost.cpu_ms, 3) for cost in costs],
            "wall_ms": [round(cost.wall_ms, 3) for cost in costs],
            "peak_rss_kib": one.rss_kib,
            "instructions": one.instructions,
            "traced": asdict(one.traced) if one.traced else None,
            "size_bytes": one.binary.stat().st_size if one.binary else None,
        }
    return table


def table(measured: list[Contender]) -> str:
    """The figures as Markdown."""
    heads = ["CPU, ms", "wall, ms", "peak RSS, MiB", "instructions, M", "system calls", "connections", "sent, KiB"]
    heads += ["received, KiB", "size, MiB", "runs"]
    lines = [f"| | {' | '.join(heads)} |", "| --- " * (len(heads) + 1) + "|"]
    for one in measured:
        costs = [cost for cost in one.costs if cost]
        cpu, wall = spread([cost.cpu_ms for cost in costs]), spread([cost.wall_ms for cost in costs])
        rss = f"{statistics.median(one.rss_kib) / 1024:.1f}"
        count = f"{one.instructions / 1e6:.1f}" if one.instructions else "–"
        size = f"{one.binary.stat().st_size / 2**20:.2f}" if one.binary else "–"
        told = ["–"] * 4
        if one.traced:
            sent, received = one.traced.sent_bytes / 1024, one.traced.received_bytes / 1024
            told = [str(one.traced.syscalls), str(one.traced.connections), f"{sent:.1f}", f"{received:.1f}"]
        lines.append(f"| {' | '.join([one.name, cpu, wall, rss, count, *told, size, str(len(costs))])} |")
    return "\n".join(lines)


def budgets(task: Task, measured: list[Contender]) -> list[tuple[str, float, float]]:
    """What the product may cost: what, measured, at most."""
    by_part = {one.part: one for one in measured}
    ours, floor, cli = (by_part.get(part) for part in (OURS, FLOOR, CLI))
    if ours is None or ours.binary is None:
        return []
    found = [
        ("peak RSS, MiB", statistics.median(ours.rss_kib) / 1024, 6.0),
        ("size, MiB", ours.binary.stat().st_size / 2**20, 5.5),
        ("static (0) or not (1)", 0.0 if is_static(ours.binary) else 1.0, 0.0),
    ]
    if floor:
        found.append(("CPU, times the floor's", pairs(ours, floor, lambda cost: cost.cpu_ms), task.cpu_ratio))
        found.append(("wall, times the floor's", pairs(ours, floor, lambda cost: cost.wall_ms), task.wall_ratio))
    if cli:
        found.append(("CPU, share of the AWS CLI's", pairs(ours, cli, lambda cost: cost.cpu_ms), 1 / 100))
    accepted = json.loads(ACCEPTED.read_text()).get(task.name) if ACCEPTED.exists() else None
    if accepted and ours.instructions:
        found.append(("instructions, times the accepted", ours.instructions / 1e6 / accepted, MOST_GROWTH))
    return found


def accept(measured: dict[str, dict[str, Any]]) -> None:
    """Writes the products' instructions down."""
    counts = json.loads(ACCEPTED.read_text()) if ACCEPTED.exists() else {}
    for name, contenders in measured.items():
        count = contenders.get(TASKS[name].product, {}).get("instructions")
        if count:
            counts[name] = round(count / 1e6, 2)
    ACCEPTED.write_text(json.dumps(counts, indent=1) + "\n")


def held_ms(task: Task, sandbox: Sandbox) -> float:
    """How long the floor waits for PostgreSQL: from its first operation to the arrival of its last."""
    waits, first = [], 0.0
    for call in sandbox.told("calls"):
        # Of the contenders only the floor does not say what it is.
        if call["user_agent"] == "" and call["operation"] == task.operations[0]:
            first = milliseconds(call["at"])
        elif call["user_agent"] == "" and call["operation"] == task.operations[-1]:
            waits.append(milliseconds(call["at"]) - first)
    return statistics.median(waits)


def milliseconds(span: str) -> float:
    """Such as `1m 2s 345ms 67us 8ns`."""
    units = {"h": 3.6e6, "m": 6e4, "s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)([a-z]+)", span))


# --- the command --------------------------------------------------------------------------------------------


@dataclass
class Measured:
    """What all rounds came to."""

    contenders: list[Contender]
    # See `held_ms`.
    held_ms: float | None = None


def measure(task: Task, directory: Path, options: argparse.Namespace) -> Measured:
    """All rounds; in each the contenders one after the other, every second time in reverse."""
    profiles = BENCH / task.name
    profiles.mkdir(parents=True, exist_ok=True)
    runner = Runner(directory, profiles)
    held = None
    with ExitStack() as stack:
        more = stack.enter_context(Postgres()).world() if task.postgres else ""
        binary = Binaries.within(options.binaries).sandbox()
        sandbox = stack.enter_context(Sandbox(binary, directory, more))
        running = contenders(task, sandbox, directory, options)
        for contender in running:
            same_work(task, sandbox, runner, contender)
            for _ in range(2):
                runner.cost(contender)
        for turn in range(options.rounds):
            for contender in running if turn % 2 == 0 else running[::-1]:
                every = max(1, options.rounds // options.cli_rounds)
                sits_out = contender.part == CLI and turn % every != 0
                contender.costs.append(None if sits_out else runner.cost(contender))
        if task.postgres and FLOOR in options.only:
            held = held_ms(task, sandbox)
        for contender in running:
            contender.rss_kib = [runner.memory(contender) for _ in range(MEMORY_RUNS)]
            if contender.binary and shutil.which("valgrind"):
                contender.instructions = runner.instructions(contender)
            if shutil.which("strace"):
                contender.traced = runner.traced(contender)
    return Measured(running, held)


def main() -> int:
    """Builds if asked to, measures, reports; 1 if a budget is not kept."""
    parts = [OURS, FLOOR, CURL, CLI]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--build", action="store_true", help="build the static binaries and the sandbox first")
    add("--work", nargs="+", choices=list(TASKS), default=list(TASKS), help="measure these; default: all")
    add("--rounds", type=int, default=40, help="default: %(default)s")
    add("--cli-rounds", type=int, default=10, help="rounds with the AWS CLI; default: %(default)s")
    add("--only", nargs="+", choices=parts, default=parts, help="measure these contenders")
    add("--accept", action="store_true", help="take the instructions as those that later runs are held against")
    add("--binaries", type=Path, help="take all binaries from here: to try the script, not for figures")
    options = parser.parse_args()
    if options.build:
        build()
    BENCH.mkdir(parents=True, exist_ok=True)
    about = machine() | {"curl": " ".join(version("curl", "--version").split()[:2])}
    if CLI in options.only:
        about["aws-cli"] = version(aws_program(), "--version").partition(" ")[0]
    works: dict[str, Any] = {}
    kept = True
    for task in (TASKS[name] for name in options.work):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            measured = measure(task, Path(name), options)
        ran = measured.contenders
        verdicts = budgets(task, ran)
        works[task.name] = {"measured": figures(ran), "held_ms": measured.held_ms, "budgets": verdicts}
        print(f"{task.name}: {', '.join(HOPS + task.operations)}\n\n{table(ran)}\n")
        if measured.held_ms is not None:
            print(f"Of the floor's wall PostgreSQL and the sandbox have {measured.held_ms:.1f} ms.\n")
        for what, value, limit in verdicts:
            print(f"{'PASS' if value <= limit else 'FAIL'}  {what}: {value:.4g}, at most {limit:.4g}")
            kept = kept and value <= limit
        print(flush=True)
    if options.accept:
        accept({name: work["measured"] for name, work in works.items()})
    print(told_about(about))
    record = {"machine": about, "works": works}
    (BENCH / "result.json").write_text(json.dumps(record, indent=1))
    return 0 if kept else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"error: {wrong}")

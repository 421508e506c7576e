#!/usr/bin/env python3
"""What one short run of each product costs, beside the least it could cost, curl and the AWS CLI.

Each contender makes the same calls over TLS to two hosts of the local AWS (tests/sandbox): two hops through
STS, then a Glue StartJobRun and one GetJobRun, or a Lambda Invoke, or a SageMaker InvokeEndpoint, or a
Redshift statement from its start to its result. README.md says what is measured; `run.py --help` lists the
options. Needs Python 3.11, curl and Linux, and PostgreSQL for Redshift; counts instructions where valgrind is
installed.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postgres import Postgres
from process import Cost, Runner, Steps, Work, Wrong
from stage import (
    BENCH,
    DATABASE,
    ENDPOINT,
    FUNCTION,
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
    version,
)

JOB = "instant-etl"
# What the function and the endpoint are sent, and answer.
PAYLOAD = '{"customer":"c-1204","rows":[1,2,3],"dry_run":false}'
SQL = "select 1 as one"
OURS, FLOOR, CURL, CLI = "ours", "floor", "curl", "aws-cli"
HOPS = ["AssumeRoleWithWebIdentity", "AssumeRole"]
MEMORY_RUNS = 5


# --- the works ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One of the works, in the words of each contender."""

    name: str
    product: str
    # The service's part in the name of the variable with its endpoint.
    service: str
    # Those of the service, after the hops.
    operations: list[str]
    # The product's options.
    options: list[str]
    # What the floor learns beside its first argument, which is the work's name.
    variables: dict[str, str]
    # Path, headers and body of a request that curl sends for each operation.
    request: tuple[str, list[str], str]
    # The AWS CLI's processes: from the program and a scratch directory.
    cli: Callable[[str, Path], Steps]
    # What must be in the output.
    shown: str
    size_mib: float
    # It needs a PostgreSQL, which has the time between its first operation and its last.
    postgres: bool = False


def glue_cli(aws: str, _: Path) -> Steps:
    """Starts a run and looks at it."""
    job = ["--output", "json", "--job-name", JOB]
    started = yield [aws, "glue", "start-job-run", *job]
    run = json.loads(started)["JobRunId"]
    contains((yield [aws, "glue", "get-job-run", *job, "--run-id", run]), "SUCCEEDED")


def lambda_cli(aws: str, directory: Path) -> Steps:
    """Invokes the function; the answer goes to a file, as the CLI wants it."""
    # A file of bytes is the one form of a payload that both versions of the CLI take as it is.
    given, answer = directory / "payload", directory / "answer"
    given.write_text(PAYLOAD)
    options = ["--function-name", FUNCTION, "--payload", f"fileb://{given}"]
    yield [aws, "lambda", "invoke", *options, str(answer)]
    contains(answer.read_text(), PAYLOAD)


def sagemaker_cli(aws: str, directory: Path) -> Steps:
    """Asks the endpoint's model; the answer goes to a file, as the CLI wants it."""
    given, answer = directory / "payload", directory / "answer"
    given.write_text(PAYLOAD)
    endpoint = ["--endpoint-name", ENDPOINT, "--content-type", "application/json"]
    yield [aws, "sagemaker-runtime", "invoke-endpoint", *endpoint, "--body", f"fileb://{given}", str(answer)]
    contains(answer.read_text(), PAYLOAD)


def redshift_cli(aws: str, _: Path) -> Steps:
    """Starts a statement, looks at it and fetches its result; by the time of the look it has ended."""
    data = [aws, "redshift-data"]
    where = ["--workgroup-name", WORKGROUP, "--database", DATABASE]
    started = yield [*data, "execute-statement", "--output", "json", *where, "--sql", SQL]
    statement = ["--output", "json", "--id", json.loads(started)["Id"]]
    contains((yield [*data, "describe-statement", *statement]), "FINISHED")
    page = json.loads((yield [*data, "get-statement-result", *statement]))
    contains(json.dumps(page["Records"]), '[[{"longValue": 1}]]')


GLUE = Task(
    name="glue",
    product="glue-trigger",
    service="GLUE",
    operations=["StartJobRun", "GetJobRun"],
    options=["--job-name", JOB],
    variables={"GLUE_JOB_NAME": JOB},
    request=(
        "/",
        ["X-Amz-Target: AWSGlue.GetJobRun", "Content-Type: application/x-amz-json-1.1"],
        json.dumps({"JobName": JOB, "RunId": "jr_0"}),
    ),
    cli=glue_cli,
    shown="SUCCEEDED",
    size_mib=6.0,
)
LAMBDA = Task(
    name="lambda",
    product="lambda-invoke",
    service="LAMBDA",
    operations=["Invoke"],
    options=["--function-name", FUNCTION, "--payload", PAYLOAD],
    variables={"LAMBDA_FUNCTION_NAME": FUNCTION, "LAMBDA_PAYLOAD": PAYLOAD},
    request=(f"/2015-03-31/functions/{FUNCTION}/invocations", ["Content-Type: application/json"], PAYLOAD),
    cli=lambda_cli,
    shown=PAYLOAD,
    size_mib=6.0,
)
SAGEMAKER = Task(
    name="sagemaker",
    product="sagemaker-invoke",
    service="SAGEMAKER_RUNTIME",
    operations=["InvokeEndpoint"],
    options=["endpoint", "--endpoint-name", ENDPOINT, "--body", PAYLOAD],
    variables={"SAGEMAKER_ENDPOINT_NAME": ENDPOINT, "SAGEMAKER_BODY": PAYLOAD},
    request=(f"/endpoints/{ENDPOINT}/invocations", ["Content-Type: application/json"], PAYLOAD),
    cli=sagemaker_cli,
    shown=PAYLOAD,
    size_mib=7.0,
)
REDSHIFT = Task(
    name="redshift",
    product="redshift-query",
    service="REDSHIFT_DATA",
    operations=["ExecuteStatement", "DescribeStatement", "GetStatementResult"],
    options=["--workgroup-name", WORKGROUP, "--database", DATABASE, "--sql", SQL],
    variables={"REDSHIFT_WORKGROUP_NAME": WORKGROUP, "REDSHIFT_DATABASE": DATABASE, "REDSHIFT_SQL": SQL},
    request=(
        "/",
        ["X-Amz-Target: RedshiftData.DescribeStatement", "Content-Type: application/x-amz-json-1.1"],
        json.dumps({"Id": "00000000-0000-0000-0000-000000000000"}),
    ),
    cli=redshift_cli,
    shown='{"one":1}',
    size_mib=6.5,
    postgres=True,
)
TASKS = {task.name: task for task in (GLUE, LAMBDA, SAGEMAKER, REDSHIFT)}


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


def contenders(task: Task, sandbox: Sandbox, directory: Path, options: argparse.Namespace) -> list[Contender]:
    """The programs to compare, ready to run."""
    sts, service = sandbox.hosts(tls=True)
    env = {
        "AWS_CA_BUNDLE": str(sandbox.bundle),
        "AWS_ENDPOINT_URL_STS": sts,
        f"AWS_ENDPOINT_URL_{task.service}": service,
    }
    roles = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(sandbox.token_file), "ROLE_A": ROLE_A, "ROLE_B": ROLE_B}

    def one_binary(*command: str) -> Callable[[], Steps]:
        def steps() -> Steps:
            contains((yield list(command)), task.shown)

        return steps

    def curl() -> Steps:
        # Unsigned: refused, but over the same connections.
        common = ["--silent", "--http1.1", "--cacert", str(sandbox.bundle)]
        form = ["--data", "Action=GetCallerIdentity&Version=2011-06-15"]
        path, headers, body = task.request
        of_service = [*(word for header in headers for word in ("-H", header)), "--data", body]
        hops, work = [sts] * len(HOPS), [service + path] * len(task.operations)
        yield ["curl", *common, *form, *hops, "--next", *common, *of_service, *work]

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


def contains(printed: str, shown: str) -> None:
    """Checks that the work's end was seen."""
    if shown not in printed:
        raise Wrong(f"no {shown} in: {printed!r}")


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
    if not good or (connections != 2 and contender.part != CLI):
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
            "size_bytes": one.binary.stat().st_size if one.binary else None,
        }
    return table


def table(measured: list[Contender]) -> str:
    """The figures as Markdown."""
    lines = [
        "| | CPU, ms | wall, ms | peak RSS, MiB | instructions, M | size, MiB | runs |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in measured:
        costs = [cost for cost in one.costs if cost]
        cpu, wall = spread([cost.cpu_ms for cost in costs]), spread([cost.wall_ms for cost in costs])
        rss = f"{statistics.median(one.rss_kib) / 1024:.1f}"
        count = f"{one.instructions / 1e6:.1f}" if one.instructions else "–"
        size = f"{one.binary.stat().st_size / 2**20:.2f}" if one.binary else "–"
        lines.append(f"| {one.name} | {cpu} | {wall} | {rss} | {count} | {size} | {len(costs)} |")
    return "\n".join(lines)


def budgets(task: Task, measured: list[Contender]) -> list[tuple[str, float, float]]:
    """What the product may cost: what, measured, at most."""
    by_part = {one.part: one for one in measured}
    ours, floor, cli = (by_part.get(part) for part in (OURS, FLOOR, CLI))
    if ours is None or ours.binary is None:
        return []
    found = [
        ("peak RSS, MiB", statistics.median(ours.rss_kib) / 1024, 8.0),
        ("size, MiB", ours.binary.stat().st_size / 2**20, task.size_mib),
        ("static (0) or not (1)", 0.0 if is_static(ours.binary) else 1.0, 0.0),
    ]
    if floor:
        found.append(("CPU, times the floor's", pairs(ours, floor, lambda cost: cost.cpu_ms), 2.0))
        found.append(("wall, times the floor's", pairs(ours, floor, lambda cost: cost.wall_ms), 1.6))
    if cli:
        found.append(("CPU, share of the AWS CLI's", pairs(ours, cli, lambda cost: cost.cpu_ms), 1 / 80))
    return found


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
    print(told_about(about))
    record = {"machine": about, "works": works}
    (BENCH / "result.json").write_text(json.dumps(record, indent=1))
    return 0 if kept else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"error: {wrong}")

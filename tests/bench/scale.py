#!/usr/bin/env python3
"""What the cost of a run grows with: the hops of its chain, the time that it waits, the size of its result.

README.md says what is measured. Needs Python 3.11, Linux, PostgreSQL, and the AWS CLI, which run.py fetches.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import query
import stream
from postgres import Postgres
from process import Runner, Steps, Work, Wrong
from run import aws_program
from stage import BENCH, FUNCTION, REGION, Binaries, Sandbox, build, machine, told_about
from works import PAYLOAD, contains

ACCOUNTS = ["111111111111", "222222222222"]
HOPS = range(1, 7)
WAITS = [1, 4, 16, 64]
ROWS = [1_000, 10_000, 100_000, 1_000_000]
POLL_MS = 250


# --- hops ---------------------------------------------------------------------------------------------------


def account(hop: int) -> str:
    """Roles take turns in the two accounts."""
    return ACCOUNTS[(hop - 1) % 2]


def arn(hop: int) -> str:
    """The role of a hop."""
    return f"arn:aws:iam::{account(hop)}:role/hop-{hop}"


def hops_world() -> str:
    """A role for each hop, which may assume the next, and a function in the other account."""
    world = f"\n[[lambda.functions]]\naccount = '{ACCOUNTS[0]}'\nname = '{FUNCTION}'\n"
    for hop in HOPS:
        who = "federated = 'cluster', sub = 'system:serviceaccount:team-ns:job-runner', aud = 'sts.amazonaws.com'"
        trust = who if hop == 1 else f"principal = '{arn(hop - 1)}'"
        allow = ["lambda:InvokeFunction on *"]
        if hop < HOPS[-1]:
            allow.append(f"sts:AssumeRole on {arn(hop + 1)}")
        world += f"\n[accounts.{account(hop)}.roles.hop-{hop}]\nallow = {allow}\ntrust = [{{ {trust} }}]\n"
    return world


def hops_config(token_file: Path) -> str:
    """A profile for each length of a chain."""
    config = ""
    for hop in HOPS:
        source = f"web_identity_token_file = {token_file}" if hop == 1 else f"source_profile = hop-{hop - 1}"
        config += f"[profile hop-{hop}]\nrole_arn = {arn(hop)}\n{source}\nregion = {REGION}\n\n"
    return config


def measure_hops(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """CPU and wall of chain and Invoke for each number of hops; medians of interleaved rounds."""
    binaries = Binaries.within(options.binaries)
    ours, floor, aws = binaries.product("lambda-invoke"), binaries.product("floor"), aws_program()
    runner, home = Runner(directory, BENCH), directory / "home"
    with Sandbox(binaries.sandbox(), directory / "hops", hops_world()) as sandbox:
        sandbox.config.write_text(hops_config(sandbox.token_file))
        sts, service = sandbox.hosts(tls=True)
        env = {"AWS_CA_BUNDLE": str(sandbox.bundle), "AWS_ENDPOINT_URL_STS": sts, "AWS_ENDPOINT_URL_LAMBDA": service}
        payload, answer = directory / "payload", directory / "answer"
        payload.write_text(PAYLOAD)

        def once(*command: str) -> Callable[[], Steps]:
            def steps() -> Steps:
                contains((yield list(command)), PAYLOAD)

            return steps

        def cli() -> Steps:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            yield [aws, "lambda", "invoke", "--function-name", FUNCTION, "--payload", f"fileb://{payload}", str(answer)]
            contains(answer.read_text(), PAYLOAD)

        works = {}
        for hop in HOPS:
            profile = env | sandbox.profiles() | {"AWS_PROFILE": f"hop-{hop}", "HOME": str(home)}
            roles = {"ROLES": " ".join(arn(one) for one in range(1, hop + 1)), "AWS_REGION": REGION}
            bare = {"LAMBDA_FUNCTION_NAME": FUNCTION, "LAMBDA_PAYLOAD": PAYLOAD}
            token = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(sandbox.token_file)}
            invoke = once(str(ours), "--function-name", FUNCTION, "--payload", PAYLOAD)
            works["lambda-invoke", hop] = Work("lambda-invoke", invoke, profile)
            works["floor", hop] = Work("floor", once(str(floor), "lambda"), env | roles | bare | token)
            works["aws-cli", hop] = Work("aws-cli", cli, profile)
        costs: dict[tuple[str, int], list[tuple[float, float]]] = {key: [] for key in works}
        for turn in range(options.rounds):
            for key, work in works.items() if turn % 2 == 0 else reversed(works.items()):
                if key[0] != "aws-cli" or turn < options.cli_rounds:
                    cost = runner.cost(work)
                    costs[key].append((cost.cpu_ms, cost.wall_ms))
    return {
        name: [
            {
                "hops": hop,
                "cpu_ms": statistics.median(cpu for cpu, _ in costs[name, hop]),
                "wall_ms": statistics.median(wall for _, wall in costs[name, hop]),
            }
            for hop in HOPS
        ]
        for name in ("lambda-invoke", "floor", "aws-cli")
    }


# --- waiting ------------------------------------------------------------------------------------------------


def measure_waits(directory: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """CPU and memory of a run by the time that it waits; all wait at the same time."""
    world = ""
    for seconds in WAITS:
        world += (
            f"\n[[glue.jobs]]\naccount = '{ACCOUNTS[1]}'\nname = 'takes-{seconds}'\n[[glue.jobs.courses]]\n"
            f"steps = [{{ state = 'RUNNING' }}, {{ state = 'SUCCEEDED', after = '{seconds}s' }}]\n"
        )
    binaries = Binaries.within(options.binaries)
    found = []
    with Sandbox(binaries.sandbox(), directory / "waits", world) as sandbox:
        sts, service = sandbox.hosts(tls=True)
        env = {"AWS_CA_BUNDLE": str(sandbox.bundle), "AWS_ENDPOINT_URL_STS": sts, "AWS_ENDPOINT_URL_GLUE": service}
        started = []
        for seconds in WAITS:
            own = directory / f"wait-{seconds}"
            own.mkdir()
            command = [str(binaries.product("glue-trigger")), "--job-name", f"takes-{seconds}"]
            command += ["--poll-interval", f"{POLL_MS}ms"]
            runner = Runner(own, BENCH)
            started.append((seconds, command, runner, runner.spawn(command, env | sandbox.profiles())))
        begun = time.monotonic()
        for seconds, command, runner, process in started:
            # The peak of a process is known as long as it lives.
            time.sleep(max(0.0, begun + seconds * 0.9 - time.monotonic()))
            peak = next(
                int(line.split()[1])
                for line in Path(f"/proc/{process}/status").read_text().splitlines()
                if line.startswith("VmHWM:")
            )
            _, status, usage = os.wait4(process, 0)
            contains(runner.check(command, status), "SUCCEEDED")
            cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
            found.append({"seconds": seconds, "looks": seconds * 1000 // POLL_MS, "cpu_ms": cpu_ms, "rss_kib": peak})
    return found


# --- results ------------------------------------------------------------------------------------------------


def measure_rows(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """CPU and memory by the rows of a result: what reads it through the Data API, and what asks PostgreSQL itself."""
    rounds = max(3, options.rounds // 6)
    names = ["redshift-query", "floor", "rds-connect", "psql"]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}

    def add(name: str, rows: int, samples: list[Any]) -> None:
        cpu_ms = statistics.median(sample.cpu_ms for sample in samples)
        rss_kib = statistics.median(sample.rss_kib for sample in samples)
        found[name].append({"rows": rows, "cpu_ms": cpu_ms, "rss_kib": rss_kib})

    for rows in ROWS:
        own = directory / f"rows-{rows}"
        own.mkdir()
        asked = argparse.Namespace(binaries=options.binaries, tls=False, rows=rows)
        with Postgres() as postgres:
            more = f"{postgres.world()}page_rows = 1000\n"
            with Sandbox(Binaries.within(options.binaries).sandbox(), own, more) as sandbox:
                data = stream.Bench(sandbox, own, asked)
                for name in names[:2]:
                    add(name, rows, [data.sample(name) for _ in range(rounds)])
        with Postgres(query.free_port()) as postgres:
            asked.tls = True
            direct = query.Bench(postgres, own, asked)
            for name in names[2:]:
                add(name, rows, [direct.sample(name) for _ in range(rounds)])
    return found


def main() -> int:
    """Measures and writes everything down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--build", action="store_true", help="build the static binaries and the sandbox first")
    add("--rounds", type=int, default=20, help="default: %(default)s")
    add("--cli-rounds", type=int, default=5, help="rounds with the AWS CLI; default: %(default)s")
    add("--binaries", type=Path, help="take all binaries from here: to try the script, not for figures")
    options = parser.parse_args()
    if options.build:
        build()
    BENCH.mkdir(parents=True, exist_ok=True)
    about = machine()
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        record["hops"] = measure_hops(directory, options)
        for contender, costs in record["hops"].items():
            each = (costs[-1]["cpu_ms"] - costs[0]["cpu_ms"]) / (len(costs) - 1)
            print(f"{contender}: {costs[0]['cpu_ms']:.1f} ms of CPU with one hop, {each:.2f} for each more")
        record["waits"] = measure_waits(directory, options)
        for wait in record["waits"]:
            print(f"waiting {wait['seconds']} s: {wait['cpu_ms']:.1f} ms of CPU, {wait['rss_kib'] / 1024:.1f} MiB")
        record["rows"] = measure_rows(directory, options)
        for contender, costs in record["rows"].items():
            told = (f"{one['rows']}: {one['cpu_ms']:.0f} ms, {one['rss_kib'] / 1024:.1f} MiB" for one in costs)
            print(f"{contender}: {'; '.join(told)}")
    print(told_about(about))
    (BENCH / "scale.json").write_text(json.dumps({"machine": about} | record, indent=1))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"error: {wrong}")

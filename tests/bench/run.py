#!/usr/bin/env python3
"""What one short run of glue-trigger costs, beside the least it could cost, curl and the AWS CLI.

Each contender makes the same calls over TLS to two hosts of the local AWS (tests/sandbox): two hops through
STS, a Glue StartJobRun and one GetJobRun. README.md says what is measured; `run.py --help` lists the options.
Needs Python 3.11, curl and Linux; counts instructions where valgrind is installed.
"""

import argparse
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process import Cost, Runner, Steps, Work, Wrong

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "target/bench"
TRIPLE = f"{platform.machine()}-unknown-linux-gnu"
DIST = ROOT / "target" / TRIPLE / "dist"
SYSTEM_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")

REGION, JOB = "us-east-2", "instant-etl"
ROLE_A = "arn:aws:iam::111111111111:role/platform-glue"
ROLE_B = "arn:aws:iam::222222222222:role/external-glue"
OURS, FLOOR, CURL, CLI = "glue-trigger", "floor", "curl", "aws-cli"
PROFILES = f"""\
[profile platform]
role_arn = {ROLE_A}
web_identity_token_file = {{token_file}}
region = {REGION}

[profile external]
role_arn = {ROLE_B}
role_session_name = glue-trigger
source_profile = platform
region = {REGION}
"""
THE_WORK = ["AssumeRoleWithWebIdentity", "AssumeRole", "StartJobRun", "GetJobRun"]
MEMORY_RUNS = 5


@dataclass
class Contender(Work):
    """A program that does the work, in one process or more, and what that cost."""

    binary: Path | None = None
    costs: list[Cost | None] = field(default_factory=list)
    rss_kib: list[int] = field(default_factory=list)
    instructions: int | None = None


# --- the other side -----------------------------------------------------------------------------------------


class Sandbox:
    """The local AWS as a process, and the files that a pod would have."""

    def __init__(self, directory: Path) -> None:
        binary, world = need(ROOT / "target/release/sandbox"), ROOT / "tests/bench/world.toml"
        log = BENCH / "sandbox.log"
        with log.open("wb") as stderr:
            command: list[str | Path] = [binary, "--world", world, "--write-dir", directory]
            self.process = subprocess.Popen(command, stderr=stderr)
        until = time.monotonic() + 10
        while not (directory / "env").exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise Wrong(f"the sandbox did not start: see {log}")
            time.sleep(0.05)
        lines = (directory / "env").read_text().splitlines()
        values = dict(line.split("=", 1) for line in lines)
        self.admin = values["SANDBOX_URL"] + "/_sandbox"
        # Two names of one listener are two hosts to a client: a TLS handshake for each.
        self.sts = values["SANDBOX_HTTPS_URL"]
        self.glue = self.sts.replace("localhost", "127.0.0.1")
        self.token_file = directory / "token"
        self.bundle = directory / "bundle.pem"
        self.bundle.write_bytes(SYSTEM_ROOTS.read_bytes() + (directory / "ca.pem").read_bytes())

    def calls(self) -> list[dict[str, Any]]:
        """Every request so far."""
        with urllib.request.urlopen(f"{self.admin}/calls") as answer:
            calls: list[dict[str, Any]] = json.load(answer)
            return calls

    def stop(self) -> None:
        """Ends the process."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def contenders(sandbox: Sandbox, directory: Path, names: list[str]) -> list[Contender]:
    """The programs to compare, ready to run."""
    config = directory / "config"
    config.write_text(PROFILES.format(token_file=sandbox.token_file))
    env = {
        "AWS_CA_BUNDLE": str(sandbox.bundle),
        "AWS_ENDPOINT_URL_STS": sandbox.sts,
        "AWS_ENDPOINT_URL_GLUE": sandbox.glue,
    }
    profiles = env | {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "external", "AWS_DEFAULT_REGION": REGION}
    floor_env = env | {
        "AWS_REGION": REGION,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(sandbox.token_file),
        "ROLE_A": ROLE_A,
        "ROLE_B": ROLE_B,
        "GLUE_JOB_NAME": JOB,
    }

    def one_binary(*command: str) -> Callable[[], Steps]:
        def steps() -> Steps:
            succeeded((yield list(command)))

        return steps

    def curl() -> Steps:
        # Unsigned: refused, but over the same connections.
        options = ["--silent", "--http1.1", "--cacert", str(sandbox.bundle)]
        form = ["--data", "Action=GetCallerIdentity&Version=2011-06-15"]
        target = ["-H", "X-Amz-Target: AWSGlue.GetJobRun", "-H", "Content-Type: application/x-amz-json-1.1"]
        body = ["--data", json.dumps({"JobName": JOB, "RunId": "jr_0"})]
        sts, glue = [sandbox.sts] * 2, [sandbox.glue] * 2
        yield ["curl", *options, *form, *sts, "--next", *options, *target, *body, *glue]

    def aws_cli() -> Steps:
        glue = [aws_program(), "glue"]
        job = ["--output", "json", "--job-name", JOB]
        # It keeps role sessions below HOME; a container starts without any.
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        started = yield [*glue, "start-job-run", *job]
        run = json.loads(started)["JobRunId"]
        succeeded((yield [*glue, "get-job-run", *job, "--run-id", run]))

    home = directory / "home"
    ours, floor = DIST / OURS, DIST / FLOOR
    known = [
        Contender(OURS, one_binary(str(ours), "--job-name", JOB), profiles, ours),
        Contender(FLOOR, one_binary(str(floor)), floor_env, floor),
        Contender(CURL, curl, env),
        Contender(CLI, aws_cli, profiles | {"HOME": str(home)}),
    ]
    return [contender for contender in known if contender.name in names]


def succeeded(printed: str) -> None:
    """Checks that the run's end was seen."""
    if "SUCCEEDED" not in printed:
        raise Wrong(f"no SUCCEEDED in: {printed!r}")


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


def same_work(sandbox: Sandbox, runner: Runner, contender: Contender) -> None:
    """One run, checked for its requests and connections."""
    before = len(sandbox.calls())
    runner.cost(contender)
    calls = sandbox.calls()[before:]
    connections = len({call["connection"] for call in calls})
    done = [call["operation"] for call in calls]
    # curl's requests are unsigned ones; the AWS CLI is two processes and opens a connection for each request.
    good = len(done) == len(THE_WORK) if contender.name == CURL else done == THE_WORK
    if not good or (connections != 2 and contender.name != CLI):
        raise Wrong(f"{contender.name} did other work: {done} over {connections} connections")


# --- reporting ----------------------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "kernel": platform.release().split("-")[0],
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": str(os.cpu_count()),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "rustc": version("rustc", "--version"),
        "curl": " ".join(version("curl", "--version").split()[:2]),
    }


def version(*command: str) -> str:
    """The first line that a command prints."""
    return subprocess.run(command, capture_output=True, text=True).stdout.partition("\n")[0]


def spread(values: list[float], digits: int = 1) -> str:
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


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


def budgets(measured: list[Contender]) -> list[tuple[str, float, float]]:
    """What glue-trigger may cost: what, measured, at most."""
    by_name = {one.name: one for one in measured}
    ours, floor, cli = (by_name.get(name) for name in (OURS, FLOOR, CLI))
    if ours is None or ours.binary is None:
        return []
    found = [
        ("peak RSS, MiB", statistics.median(ours.rss_kib) / 1024, 8.0),
        ("size, MiB", ours.binary.stat().st_size / 2**20, 6.0),
        ("static (0) or not (1)", 0.0 if is_static(ours.binary) else 1.0, 0.0),
    ]
    if floor:
        found.append(("CPU, times the floor's", pairs(ours, floor, lambda cost: cost.cpu_ms), 2.0))
        found.append(("wall, times the floor's", pairs(ours, floor, lambda cost: cost.wall_ms), 1.6))
    if cli:
        found.append(("CPU, share of the AWS CLI's", pairs(ours, cli, lambda cost: cost.cpu_ms), 1 / 80))
    return found


# --- the command --------------------------------------------------------------------------------------------


def need(path: Path) -> Path:
    """The path, if something is there."""
    if not path.exists():
        raise Wrong(f"{path} is missing: --build makes it")
    return path


def build() -> None:
    """The binaries, as they are shipped; the sandbox fast enough not to be in the way."""
    # The flags of `make dist`: other ones would compile everything once more.
    flags = "-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs"
    static = os.environ | {"RUSTFLAGS": flags}
    floor = ["cargo", "build", "--profile", "dist", "--target", TRIPLE, "-p", "floor"]
    subprocess.run(["make", "dist"], cwd=ROOT, check=True, stdout=sys.stderr)
    subprocess.run(floor, cwd=ROOT, check=True, env=static)
    subprocess.run(["cargo", "build", "--release", "-p", "sandbox"], cwd=ROOT, check=True)


def measure(sandbox: Sandbox, directory: Path, options: argparse.Namespace) -> list[Contender]:
    """All rounds; in each the contenders one after the other, every second time in reverse."""
    running = contenders(sandbox, directory, options.only)
    runner = Runner(directory, BENCH)
    for contender in running:
        if contender.binary:
            need(contender.binary)
        same_work(sandbox, runner, contender)
        for _ in range(2):
            runner.cost(contender)
    for turn in range(options.rounds):
        for contender in running if turn % 2 == 0 else running[::-1]:
            sits_out = contender.name == CLI and turn % max(1, options.rounds // options.cli_rounds) != 0
            contender.costs.append(None if sits_out else runner.cost(contender))
    for contender in running:
        contender.rss_kib = [runner.memory(contender) for _ in range(MEMORY_RUNS)]
        if contender.binary and shutil.which("valgrind"):
            contender.instructions = runner.instructions(contender)
    return running


def main() -> int:
    """Builds if asked to, measures, reports; 1 if a budget is not kept."""
    names = [OURS, FLOOR, CURL, CLI]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--build", action="store_true", help="build the static binaries and the sandbox first")
    add("--rounds", type=int, default=40, help="default: %(default)s")
    add("--cli-rounds", type=int, default=10, help="rounds with the AWS CLI; default: %(default)s")
    add("--only", nargs="+", choices=names, default=names, help="measure these")
    options = parser.parse_args()
    if options.build:
        build()
    BENCH.mkdir(parents=True, exist_ok=True)
    about = machine()
    if CLI in options.only:
        about["aws-cli"] = version(aws_program(), "--version").partition(" ")[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        sandbox = Sandbox(Path(name))
        try:
            measured = measure(sandbox, Path(name), options)
        finally:
            sandbox.stop()
    about["load"] += f" before, {os.getloadavg()[0]:.1f} after"
    verdicts = budgets(measured)
    record = {"machine": about, "measured": figures(measured), "budgets": verdicts}
    (BENCH / "result.json").write_text(json.dumps(record, indent=1))
    print(table(measured))
    print("\n" + ", ".join(f"{key}: {value}" for key, value in about.items()) + "\n")
    for what, value, limit in verdicts:
        print(f"{'PASS' if value <= limit else 'FAIL'}  {what}: {value:.4g}, at most {limit:.4g}")
    return 0 if all(value <= limit for _, value, limit in verdicts) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"error: {wrong}")

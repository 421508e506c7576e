#!/usr/bin/env python3
"""How many calls a second lambda-invoke makes with --batch, beside wrk with as many connections.

Both call an echo function of the local AWS (tests/sandbox), which verifies each signature. lambda-invoke
signs every call, and its time is that of the whole process: chain of roles, input, ordered answers. wrk sends
one request over and over: the one that lambda-invoke made itself. README.md says more. Needs Python 3.11,
Linux and wrk.
"""

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from process import Runner, Wrong
from stage import BENCH, FUNCTION, Binaries, Sandbox, build, machine, spread, told_about, version

OURS, WRK = "lambda-invoke", "wrk"
CONCURRENCIES = [1, 4, 16, 64, 256]
# At this many calls in flight the budget holds.
JUDGED = 64
LEAST_RATIO = 0.5
REPLAY = Path(__file__).resolve().parent / "replay.lua"


@dataclass
class Sample:
    """One process, and what it came to."""

    calls: int
    per_second: float
    # CPU time of a call, in microseconds: of the client, and of the sandbox beside it.
    cpu_us: float
    sandbox_us: float
    rss_kib: int


@dataclass
class Row:
    """Samples of one concurrency; those of the same place were made one after the other."""

    concurrency: int
    ours: list[Sample]
    wrk: list[Sample]

    def ratio(self) -> float:
        """Median of lambda-invoke's share of wrk's calls per second."""
        both = zip(self.ours, self.wrk, strict=True)
        return statistics.median(ours.per_second / wrk.per_second for ours, wrk in both)


class Bench:
    """Makes samples, each against a sandbox of its own: none starts with the memory of the one before."""

    def __init__(self, directory: Path, options: argparse.Namespace) -> None:
        """All files go to the directory."""
        binaries = Binaries.within(options.binaries)
        self.binary, self.sandbox = binaries.product(OURS), binaries.sandbox()
        self.runner, self.directory = Runner(directory, BENCH), directory
        self.tls: bool = options.tls
        self.seconds: int = options.wrk_seconds
        # All of one length.
        numbers = range(1, options.calls + 1)
        fill = "x" * (options.payload_bytes - len(payload(1, "")))
        self.lines = [payload(number, fill) for number in numbers]
        self.batch, self.first = directory / "lines.jsonl", directory / "line.jsonl"
        self.batch.write_text("".join(f"{line}\n" for line in self.lines))
        self.first.write_text(f"{self.lines[0]}\n")
        self.request = directory / "request"

    def started(self) -> Sandbox:
        """A new sandbox."""
        return Sandbox(self.sandbox, self.directory / "pod")

    def env(self, sandbox: Sandbox) -> dict[str, str]:
        """What lambda-invoke needs."""
        sts, service = sandbox.hosts(self.tls)
        endpoints = {"AWS_ENDPOINT_URL_STS": sts, "AWS_ENDPOINT_URL_LAMBDA": service}
        trust = {"AWS_CA_BUNDLE": str(sandbox.bundle)} if self.tls else {}
        return sandbox.profiles() | endpoints | trust

    def command(self, lines: Path, concurrency: int) -> list[str]:
        """A batch."""
        options = ["--function-name", FUNCTION, "--batch", str(lines), "--concurrency", str(concurrency)]
        return [str(self.binary), *options]

    def ours(self, concurrency: int) -> Sample:
        """All lines, once: each must be answered in its place and have been one invocation."""
        with self.started() as sandbox:
            before_ms = sandbox.cpu_ms()
            ran = self.runner.whole(self.command(self.batch, concurrency), self.env(sandbox))
            sandbox_ms = sandbox.cpu_ms() - before_ms
            begun = [invocation["payload"] for invocation in sandbox.told("invocations", function=FUNCTION)]
        answers = ran.printed.splitlines()
        if len(answers) != len(self.lines):
            raise Wrong(f"{len(answers)} answers to {len(self.lines)} lines")
        for number, (line, told) in enumerate(zip(self.lines, answers, strict=True), 1):
            answer = json.loads(told)
            expected = (number, "ok", json.loads(line))
            if (answer["line"], answer["status"], answer["payload"]) != expected:
                raise Wrong(f"answer {number} is {told}")
        # In whatever order: but every line, and none twice.
        if sorted(begun) != self.lines:
            raise Wrong(f"{len(begun)} invocations of {len(set(begun))} lines, not one of each")
        calls = len(self.lines)
        per_second = calls * 1000 / ran.wall_ms
        return Sample(calls, per_second, ran.cpu_ms * 1000 / calls, sandbox_ms * 1000 / calls, ran.rss_kib)

    def wrk(self, concurrency: int) -> Sample:
        """The first line's request for some seconds: each must be accepted."""
        with self.started() as sandbox:
            self.request.write_bytes(self.recorded(sandbox))
            threads = ["--threads", "1", "--connections", str(concurrency)]
            for_so_long = ["--duration", f"{self.seconds}s", "--script", str(REPLAY)]
            _, service = sandbox.hosts(self.tls)
            env = {"REQUEST": str(self.request)}
            before_ms = sandbox.cpu_ms()
            ran = self.runner.whole([WRK, *threads, *for_so_long, service], env)
            sandbox_ms = sandbox.cpu_ms() - before_ms
            begun = len(sandbox.told("invocations", function=FUNCTION))
        told = json.loads(ran.printed.splitlines()[-1])
        calls: int = told["requests"]
        # Its last requests are still under way when the time is over.
        if told["refused"] or told["broken"] or not calls <= begun <= calls + concurrency:
            raise Wrong(f"wrk's requests went wrong: {told}, and {begun} invocations")
        per_second = calls / told["seconds"]
        return Sample(calls, per_second, ran.cpu_ms * 1000 / calls, sandbox_ms * 1000 / calls, ran.rss_kib)

    def recorded(self, sandbox: Sandbox) -> bytes:
        """The request that lambda-invoke sends for the first line, with a signature that is good for minutes.

        The sandbox checks it against the host that the request names; where it arrives is another matter.
        """
        printed = self.directory / "recorded"
        with socket.create_server(("127.0.0.1", 0)) as listener, printed.open("wb") as out:
            listener.settimeout(10)
            here = f"http://127.0.0.1:{listener.getsockname()[1]}"
            env = self.env(sandbox) | {"AWS_ENDPOINT_URL_LAMBDA": here}
            client = subprocess.Popen(self.command(self.first, 1), env=env, stdout=out, stderr=out)
            try:
                connection, _ = listener.accept()
                with connection:
                    request = read_request(connection)
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                    client.wait(10)
            except TimeoutError as error:
                raise Wrong(f"lambda-invoke sent no request: {printed.read_text()}") from error
            finally:
                client.kill()
                client.wait()
        return request


def payload(number: int, fill: str) -> str:
    """A line; its number has as many digits as any other."""
    return json.dumps({"id": f"{number:08}", "text": fill}, separators=(",", ":"))


def read_request(connection: socket.socket) -> bytes:
    """A request with its body."""
    read = b""
    while True:
        head, end, body = read.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if end and lengths and len(body) >= int(lengths[0].partition(b":")[2]):
            return read
        some = connection.recv(65536)
        if not some:
            raise Wrong(f"half a request: {read!r}")
        read += some


def measure(bench: Bench, options: argparse.Namespace) -> list[Row]:
    """All rounds; in each every concurrency, the clients one after the other, then in reverse."""
    rows = [Row(concurrency, [], []) for concurrency in options.concurrency]
    for turn in range(options.rounds):
        for row in rows:
            pair = [(bench.ours, row.ours), (bench.wrk, row.wrk)]
            for sample, samples in pair if turn % 2 == 0 else pair[::-1]:
                samples.append(sample(row.concurrency))
    return rows


def table(rows: list[Row]) -> str:
    """The figures as Markdown."""
    lines = [
        "| in flight | lambda-invoke, calls/s | wrk, calls/s | ratio | CPU a call, µs | wrk's, µs "
        "| the sandbox's beside it, µs | peak RSS, MiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        ours = spread([sample.per_second for sample in row.ours], 0)
        wrk = spread([sample.per_second for sample in row.wrk], 0)
        cpu = spread([sample.cpu_us for sample in row.ours])
        wrk_cpu = statistics.median(sample.cpu_us for sample in row.wrk)
        sandbox = statistics.median(sample.sandbox_us for sample in row.ours)
        rss = statistics.median(sample.rss_kib for sample in row.ours) / 1024
        figures = f"{row.ratio():.2f} | {cpu} | {wrk_cpu:.1f} | {sandbox:.1f} | {rss:.1f}"
        lines.append(f"| {row.concurrency} | {ours} | {wrk} | {figures} |")
    return "\n".join(lines)


def main() -> int:
    """Builds if asked to, measures, reports; 1 if the budget is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--build", action="store_true", help="build the static binaries and the sandbox first")
    add("--tls", action="store_true", help="over TLS instead of plain HTTP")
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--calls", type=int, default=20_000, help="lines of a batch; default: %(default)s")
    add("--payload-bytes", type=int, default=128, help="of a line; default: %(default)s")
    add("--wrk-seconds", type=int, default=3, help="default: %(default)s")
    add("--concurrency", type=int, nargs="+", default=CONCURRENCIES, help="default: %(default)s")
    add("--binaries", type=Path, help="take all binaries from here: to try the script, not for figures")
    options = parser.parse_args()
    if shutil.which(WRK) is None:
        raise Wrong("wrk is missing: apt-get install wrk")
    if options.build:
        build()
    BENCH.mkdir(parents=True, exist_ok=True)
    # wrk tells its version with a failure, on stdout.
    about = machine() | {"wrk": " ".join(version(WRK, "--version").split()[:2])}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        bench = Bench(Path(name), options)
        for warm_up in (bench.ours, bench.wrk):
            warm_up(JUDGED)
        request = bench.request.stat().st_size
        rows = measure(bench, options)
    over = "TLS" if options.tls else "plain HTTP"
    print(f"{options.calls} calls of {options.payload_bytes} bytes, {request} with headers, over {over}\n")
    print(table(rows) + "\n")
    ratio = next((row.ratio() for row in rows if row.concurrency == JUDGED), None)
    kept = ratio is None or ratio >= LEAST_RATIO
    if ratio is not None:
        print(
            f"{'PASS' if kept else 'FAIL'}  calls per second with {JUDGED} in flight, times wrk's: "
            f"{ratio:.4g}, at least {LEAST_RATIO:.4g}\n"
        )
    print(told_about(about))
    measured = [asdict(row) for row in rows]
    record = {"machine": about, "tls": options.tls, "request_bytes": request, "measured": measured}
    (BENCH / f"fan-out{'-tls' if options.tls else ''}.json").write_text(json.dumps(record, indent=1))
    return 0 if kept else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"error: {wrong}")

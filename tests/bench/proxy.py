#!/usr/bin/env python3
"""What `rds-connect proxy` lets through: pgbench beside the same through a plain TCP forwarder.

Both ways lead to one PostgreSQL over TLS: through the forwarder pgbench speaks TLS itself, through the proxy the proxy
does. README.md says more. Needs Python 3.11, Linux, PostgreSQL, openssl and haproxy.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from postgres import Postgres, programs
from process import Wrong
from stage import BENCH, Binaries, build, machine, spread, told_about

OURS, FORWARDER = "rds-connect proxy", "haproxy"
USER = DATABASE = "postgres"
LEAST_RATIO, MOST_RSS_MIB = 0.8, 32.0
# One thread, as the proxy has; nothing of the stream is looked at.
HAPROXY = """\
global
    nbthread 1
    maxconn 500
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen forward
    bind 127.0.0.1:{port}
    server database 127.0.0.1:{database}
"""


@dataclass
class Sample:
    """One run of pgbench."""

    tps: float
    latency_ms: float
    # Of the process in between: CPU of a transaction, and the most memory so far.
    cpu_us: float
    rss_mib: float


class Way:
    """A process in between, and how pgbench goes through it."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], port: int, sslmode: str) -> None:
        """Starts it."""
        self.name, self.port, self.sslmode = name, port, sslmode
        self.log = (BENCH / f"{name.split()[0]}.log").open("wb")
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=self.log)
        until = time.monotonic() + 10
        while not reachable(port):
            if self.process.poll() is not None or time.monotonic() > until:
                raise Wrong(f"{name} did not start: see {self.log.name}")
            time.sleep(0.05)

    def cpu_ms(self) -> float:
        """User and system CPU time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def rss_mib(self) -> float:
        """The most resident memory so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def sample(self, options: argparse.Namespace) -> Sample:
        """One run."""
        arguments = ["-n", "-S", "-M", options.protocol, "-j", "2", "-c", str(options.clients)]
        before = self.cpu_ms()
        told = pgbench(self.port, self.sslmode, [*arguments, "-T", str(options.seconds)])
        cpu_ms = self.cpu_ms() - before
        failed, done = number(told, r"failed transactions: (\d+)"), number(told, r"processed: (\d+)")
        if failed or not done:
            raise Wrong(f"pgbench through {self.name}: {told}")
        tps, latency = number(told, r"tps = ([\d.]+)"), number(told, r"latency average = ([\d.]+)")
        return Sample(tps, latency, cpu_ms * 1000 / done, self.rss_mib())

    def stop(self) -> None:
        """Ends it, which must go well."""
        self.process.terminate()
        code = self.process.wait(timeout=40)
        self.log.close()
        # haproxy ends by its signal.
        if self.name == OURS and code != 0:
            raise Wrong(f"{self.name} ended with {code}: see {self.log.name}")


def number(text: str, pattern: str) -> float:
    """A number that pgbench tells."""
    found = re.search(pattern, text)
    if found is None:
        raise Wrong(f"pgbench does not tell `{pattern}`: {text}")
    return float(found[1])


def pgbench(port: int, sslmode: str, arguments: list[str]) -> str:
    """Runs pgbench against a port and gives what it says."""
    env = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": USER, "PGDATABASE": DATABASE}
    env |= {"PGSSLMODE": sslmode, "HOME": "/nonexistent"}
    ran = subprocess.run([programs() / "pgbench", *arguments], env=env, capture_output=True, text=True)
    if ran.returncode != 0:
        raise Wrong(f"pgbench: {ran.stderr}")
    return ran.stdout


def reachable(port: int) -> bool:
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def ways(directory: Path, database: int, options: argparse.Namespace) -> list[Way]:
    """The proxy, and the forwarder."""
    haproxy = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if haproxy is None:
        raise Wrong("haproxy is missing: apt-get install haproxy")
    ours, forward = free_port(), free_port()
    config = directory / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=forward, database=database))
    where = {"PGHOST": "localhost", "PGHOSTADDR": "127.0.0.1", "PGPORT": str(database), "PGUSER": USER}
    proxy = [str(Binaries.within(options.binaries).product("rds-connect")), "proxy"]
    proxy += ["--sslmode", "require", "--listen", f"127.0.0.1:{ours}"]
    return [
        Way(OURS, proxy, where | {"PGPASSWORD": "any"}, ours, "disable"),
        Way(FORWARDER, [haproxy, "-db", "-f", str(config)], {}, forward, "require"),
    ]


def table(measured: dict[str, list[Sample]]) -> str:
    """The figures as Markdown."""
    lines = [
        "| through | transactions a second | latency, ms | its CPU a transaction, µs | its peak RSS, MiB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, samples in measured.items():
        tps, latency = spread([one.tps for one in samples], 0), spread([one.latency_ms for one in samples], 2)
        cpu = statistics.median(one.cpu_us for one in samples)
        rss = max(one.rss_mib for one in samples)
        lines.append(f"| {name} | {tps} | {latency} | {cpu:.1f} | {rss:.1f} |")
    return "\n".join(lines)


def main() -> int:
    """Builds if asked to, measures, reports; 1 if a budget is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--build", action="store_true", help="build the static binaries first")
    add("--rounds", type=int, default=7, help="default: %(default)s")
    add("--seconds", type=int, default=5, help="of each run; default: %(default)s")
    add("--clients", type=int, default=50, help="default: %(default)s")
    add("--protocol", choices=["simple", "extended", "prepared"], default="simple", help="default: %(default)s")
    add("--binaries", type=Path, help="take the binary from here: to try the script, not for figures")
    options = parser.parse_args()
    if options.build:
        build()
    BENCH.mkdir(parents=True, exist_ok=True)
    about, database = machine(), free_port()
    measured: dict[str, list[Sample]] = {OURS: [], FORWARDER: []}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Postgres(database):
        pgbench(database, "require", ["-i", "-q", "-s", "10"])
        between = ways(Path(name), database, options)
        try:
            for turn in range(options.rounds):
                for way in between if turn % 2 == 0 else reversed(between):
                    measured[way.name].append(way.sample(options))
        finally:
            for way in between:
                way.stop()
    print(f"pgbench -S, {options.clients} clients, {options.protocol} protocol, TLS to the server\n")
    print(table(measured) + "\n")
    both = zip(measured[OURS], measured[FORWARDER], strict=True)
    ratio = statistics.median(ours.tps / other.tps for ours, other in both)
    rss = max(one.rss_mib for one in measured[OURS])
    kept = [ratio >= LEAST_RATIO, rss <= MOST_RSS_MIB]
    verdict = ["PASS" if is_kept else "FAIL" for is_kept in kept]
    print(f"{verdict[0]}  transactions a second, times the forwarder's: {ratio:.3g}, at least {LEAST_RATIO:.3g}")
    print(f"{verdict[1]}  peak RSS, MiB: {rss:.3g}, at most {MOST_RSS_MIB:.3g}\n")
    print(told_about(about))
    samples = {way: [asdict(one) for one in them] for way, them in measured.items()}
    record = {"machine": about, "clients": options.clients, "protocol": options.protocol, "ratio": ratio}
    (BENCH / "proxy.json").write_text(json.dumps(record | {"measured": samples}, indent=1))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        sys.exit(f"error: {wrong}")

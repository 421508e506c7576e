"""Where the contenders run: the binaries, the local AWS, the machine."""

import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from process import Wrong

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "target/bench"
TRIPLE = f"{platform.machine()}-unknown-linux-gnu"
SYSTEM_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")

REGION = "us-east-2"
ROLE_A = "arn:aws:iam::111111111111:role/platform-jobs"
ROLE_B = "arn:aws:iam::222222222222:role/external-jobs"
FUNCTION, ENDPOINT = "echo", "echo"
WORKGROUP, DATABASE = "adhoc", "dev"
PROFILES = f"""\
[profile platform]
role_arn = {ROLE_A}
web_identity_token_file = {{token_file}}
region = {REGION}

[profile external]
role_arn = {ROLE_B}
role_session_name = job-runner
source_profile = platform
region = {REGION}
"""


# --- the binaries -------------------------------------------------------------------------------------------


@dataclass
class Binaries:
    """Where they are; other ones than the shipped show that the scripts work, and nothing else."""

    shipped: Path = ROOT / "target" / TRIPLE / "dist"
    released: Path = ROOT / "target/release"

    @classmethod
    def within(cls, directory: Path | None) -> Self:
        """All in this directory, or each where it is built."""
        return cls(directory, directory) if directory else cls()

    def product(self, name: str) -> Path:
        """A product or the floor, as they are shipped."""
        return need(self.shipped / name)

    def sandbox(self) -> Path:
        """The local AWS."""
        return need(self.released / "sandbox")


def need(path: Path) -> Path:
    """The path, if something is there."""
    if not path.exists():
        raise Wrong(f"{path} is missing: --build makes it")
    return path.resolve()


def build() -> None:
    """The binaries, as they are shipped; the sandbox fast enough not to be in the way."""
    # The flags of `make dist`: other ones would compile everything once more. The floor by itself: with others
    # it would get a serde_json with their features.
    floor = ["cargo", "build", "--config", "images/dist.toml", "--profile", "dist", "--target", TRIPLE, "-p", "floor"]
    subprocess.run(["make", "dist"], cwd=ROOT, check=True, stdout=sys.stderr)
    subprocess.run(floor, cwd=ROOT, check=True)
    subprocess.run(["cargo", "build", "--release", "-p", "sandbox"], cwd=ROOT, check=True)


# --- the other side -----------------------------------------------------------------------------------------


class Sandbox:
    """The local AWS as a process, and the files that a pod would have."""

    def __init__(self, binary: Path, directory: Path, more: str = "") -> None:
        """Starts it, in a world with more; the directory must be empty, or belong to one that has ended."""
        directory.mkdir(exist_ok=True)
        world, log = directory / "world.toml", BENCH / "sandbox.log"
        world.write_text((ROOT / "tests/bench/world.toml").read_text() + more)
        (directory / "env").unlink(missing_ok=True)
        with log.open("wb") as stderr:
            command: list[str | Path] = [binary, "--world", world, "--write-dir", directory]
            self.process = subprocess.Popen(command, stderr=stderr)
        until = time.monotonic() + 10
        while not (directory / "env").exists():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise Wrong(f"the sandbox did not start: see {log}")
            time.sleep(0.05)
        lines = (directory / "env").read_text().splitlines()
        self.values = dict(line.split("=", 1) for line in lines)
        self.token_file, self.config = directory / "token", directory / "config"
        self.config.write_text(PROFILES.format(token_file=self.token_file))
        self.bundle = directory / "bundle.pem"
        self.bundle.write_bytes(SYSTEM_ROOTS.read_bytes() + (directory / "ca.pem").read_bytes())

    def __enter__(self) -> Self:
        """To be stopped at the end."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Ends the process."""
        self.stop()

    def hosts(self, tls: bool) -> tuple[str, str]:
        """Where STS is, and where everything else.

        Two names of one listener are two hosts to a client: a connection, and a TLS handshake, for each.
        """
        url = self.values["SANDBOX_HTTPS_URL" if tls else "SANDBOX_URL"]
        return url.replace("127.0.0.1", "localhost"), url.replace("localhost", "127.0.0.1")

    def profiles(self) -> dict[str, str]:
        """The environment that leads through both roles."""
        return {"AWS_CONFIG_FILE": str(self.config), "AWS_PROFILE": "external", "AWS_DEFAULT_REGION": REGION}

    def told(self, what: str, **query: str) -> list[dict[str, Any]]:
        """What it has seen so far, oldest first."""
        url = f"{self.values['SANDBOX_URL']}/_sandbox/{what}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url) as answer:
            seen: list[dict[str, Any]] = json.load(answer)
            return seen

    def cpu_ms(self) -> float:
        """User and system CPU time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ends the process."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


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
    }


def version(*command: str) -> str:
    """The first line that a command prints."""
    return subprocess.run(command, capture_output=True, text=True).stdout.partition("\n")[0]


def spread(values: list[float], digits: int = 1) -> str:
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def told_about(about: dict[str, str]) -> str:
    """The machine in a line; its load has gone on since."""
    about["load"] += f" before, {os.getloadavg()[0]:.1f} after"
    return ", ".join(f"{key}: {value}" for key, value in about.items())

"""What processes cost: CPU time, time on the clock, peak memory, instructions."""

import ctypes
import os
import re
import shutil
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

# The processes of one round, as their arguments; what each one printed comes back before the next.
Steps = Generator[list[str], str, None]


class Wrong(Exception):
    """The work was not done, or something it needs is not there."""


@dataclass
class Work:
    """Processes to run, and the environment they get."""

    name: str
    steps: Callable[[], Steps]
    env: dict[str, str]


@dataclass
class Cost:
    """What the processes of one round took."""

    cpu_ms: float = 0.0
    wall_ms: float = 0.0


@dataclass
class Traced:
    """What the processes of one round asked of the kernel, and said to the other side."""

    syscalls: int = 0
    connections: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0


@dataclass
class Whole:
    """All about one process that ran for long: the time includes the start of a small shell."""

    printed: str
    cpu_ms: float
    wall_ms: float
    rss_kib: int


class Runner:
    """Runs processes one at a time, with their output in files."""

    def __init__(self, directory: Path, profiles: Path) -> None:
        """Scratch files go to the one directory, callgrind's profiles to the other."""
        self.out, self.err, self.profiles = directory / "stdout", directory / "stderr", profiles
        # Orphans come to us: see `whole`.
        if ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0) != 0:  # PR_SET_CHILD_SUBREAPER
            raise Wrong("prctl(PR_SET_CHILD_SUBREAPER) failed")

    def spawn(self, command: list[str], env: dict[str, str]) -> int:
        """Starts a process without an environment but the one given."""
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self.out), write, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, str(self.err), write, 0o600),
        ]
        program = shutil.which(command[0]) or command[0]
        return os.posix_spawn(program, command, {"PATH": os.defpath} | env, file_actions=actions)

    def check(self, command: list[str], status: int) -> str:
        """What a process printed, if it went well."""
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            raise Wrong(f"{' '.join(command)} ended with {code}: {self.err.read_text()[-2000:]}")
        return self.out.read_text()

    def cost(self, work: Work) -> Cost:
        """User and system CPU time, and time on the clock, of one round."""
        cost = Cost()

        def timed(command: list[str]) -> str:
            start = time.perf_counter()
            _, status, usage = os.wait4(self.spawn(command, work.env), 0)
            cost.wall_ms += (time.perf_counter() - start) * 1000
            cost.cpu_ms += (usage.ru_utime + usage.ru_stime) * 1000
            return self.check(command, status)

        drive(work, timed)
        return cost

    def whole(self, command: list[str], env: dict[str, str]) -> Whole:
        """Runs a process and gives everything about it, its true peak memory too.

        The kernel counts the peak of a process from before its exec, where it is still a copy of its parent:
        of this large Python. So a small shell starts the process and leaves it to us.
        """
        start = time.perf_counter()
        shell = self.spawn(["/bin/sh", "-c", '"$@" &', "sh", *command], env)
        ended, status, usage = os.wait4(-1, 0)
        if ended == shell:
            _, status, usage = os.wait4(-1, 0)
        else:
            os.waitpid(shell, 0)
        wall_ms = (time.perf_counter() - start) * 1000
        cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
        return Whole(self.check(command, status), cpu_ms, wall_ms, usage.ru_maxrss)

    def memory(self, work: Work) -> int:
        """Peak resident memory in KiB: the largest of the round's processes."""
        peak = 0

        def watched(command: list[str]) -> str:
            nonlocal peak
            ran = self.whole(command, work.env)
            peak = max(peak, ran.rss_kib)
            return ran.printed

        drive(work, watched)
        return peak

    def instructions(self, work: Work) -> int:
        """Instructions counted by callgrind; they hardly depend on the machine's mood."""
        total = 0

        def counted(command: list[str]) -> str:
            nonlocal total
            profile = self.profiles / f"callgrind.{work.name}.out"
            valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", *command]
            _, status, _ = os.wait4(self.spawn(valgrind, work.env), 0)
            printed = self.check(valgrind, status)
            collected = re.search(r"Collected : (\d+)", self.err.read_text())
            if collected is None:
                raise Wrong("callgrind printed no count")
            total += int(collected[1])
            return printed

        drive(work, counted)
        return total


    def traced(self, work: Work) -> Traced:
        """System calls of one round, and its traffic as the sockets saw it: TLS and HTTP, no TCP headers."""
        traced = Traced()

        def watched(command: list[str]) -> str:
            record = self.profiles / f"strace.{work.name}.txt"
            # -yy tells what a descriptor is: 9<TCP:[127.0.0.1:43252->127.0.0.1:32941]>.
            strace = ["strace", "--follow-forks", "-yy", "--string-limit=0", f"--output={record}", *command]
            _, status, _ = os.wait4(self.spawn(strace, work.env), 0)
            printed = self.check(strace, status)
            add_calls(traced, record.read_text())
            return printed

        drive(work, watched)
        return traced


# A system call on a connection, and what came of it; a call that was interrupted by another thread's has two lines.
ON_TCP = re.compile(r"^\d+ +(\w+)\(\d+<TCP(?:v6)?:")
RESULT = re.compile(r"= (\d+)(?: \(|$)")
SENDING = {"write", "writev", "sendto", "sendmsg"}
RECEIVING = {"read", "readv", "recvfrom", "recvmsg"}


def add_calls(traced: Traced, record: str) -> None:
    """Adds what strace has written down of one process and its threads."""
    waiting: dict[str, str] = {}
    for line in record.splitlines():
        thread, _, rest = line.partition(" ")
        if rest.lstrip().startswith(("+++", "---")):
            continue
        if "resumed>" in line:
            line = waiting.pop(thread, "") + line.partition("resumed>")[2]
        else:
            traced.syscalls += 1
            if line.endswith("<unfinished ...>"):
                waiting[thread] = line
                continue
        call, result = ON_TCP.match(line), RESULT.search(line)
        if call is None:
            continue
        count = int(result[1]) if result else 0
        if call[1] == "connect":
            traced.connections += 1
        elif call[1] in SENDING:
            traced.sent_bytes += count
        elif call[1] in RECEIVING:
            traced.received_bytes += count


def drive(work: Work, run: Callable[[list[str]], str]) -> None:
    """Runs the processes of one round, each after the one before."""
    steps = work.steps()
    command = next(steps)
    while True:
        try:
            command = steps.send(run(command))
        except StopIteration:
            return

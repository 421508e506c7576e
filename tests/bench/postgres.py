"""A throw-away PostgreSQL: by itself, or to run the SQL of the local AWS's Redshift."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from process import Wrong

PROGRAMS = Path("/usr/lib/postgresql")
# The user that runs it where the scripts run as root, which PostgreSQL does not want to be.
NOBODY = 65534
# In memory, where the machine has such a folder; a short path leaves room for the socket's name.
FOLDERS = ["/dev/shm", "/tmp"]
# Nothing is to outlive the measurement, and nothing is to be written while it goes on.
SETTINGS = [
    "dynamic_shared_memory_type=mmap",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "timezone=UTC",
]
# Runs the server until its own standard input ends, as it does whenever this process ends; leaves nothing.
KEEPER = """
trap '' INT TERM HUP
folder=$1; shift
"$@" </dev/null >"$folder/log" 2>&1 &
server=$!
read -r _
kill -QUIT $server
wait $server
rm -rf "$folder"
"""


class Postgres:
    """A server on a Unix socket, with the superuser `postgres`, whom it trusts; on a port with TLS if there is one."""

    def __init__(self, port: int | None = None) -> None:
        """Starts it; it takes connections when this returns."""
        self.port = port
        where = next((folder for folder in FOLDERS if os.access(folder, os.W_OK)), None)
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=where))
        data = self.folder / "data"
        if os.getuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        form = ["--no-sync", "--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", "--username=postgres"]
        made = subprocess.run(
            [*as_owner("initdb"), *form, "-D", data], cwd="/", capture_output=True, text=True
        )
        if made.returncode != 0:
            shutil.rmtree(self.folder)
            raise Wrong(f"initdb: {made.stderr}")
        self.certificate = self.folder / "root.pem"
        wire = ["listen_addresses="]
        if port is not None:
            certify(data, self.certificate)
            wire = ["listen_addresses=127.0.0.1", f"port={port}", "ssl=on", "max_connections=200"]
        settings = (word for setting in [*SETTINGS, *wire] for word in ("-c", setting))
        server = [*as_owner("postgres"), "-D", data, "-k", self.folder, *settings]
        self.keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "sh", self.folder, *server], cwd="/", stdin=subprocess.PIPE
        )
        self.wait(data / "postmaster.pid")

    def wait(self, pid: Path) -> None:
        """Waits until it takes connections."""
        until = time.monotonic() + 20
        while not (pid.exists() and "ready" in pid.read_text()):
            if time.monotonic() > until:
                log = (self.folder / "log").read_text()
                self.stop()
                raise Wrong(f"PostgreSQL did not start: {log}")
            time.sleep(0.01)

    def __enter__(self) -> Self:
        """To be stopped at the end."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Ends it."""
        self.stop()

    def world(self) -> str:
        """The part of a world that names it; keys of `[redshift]` may follow."""
        return f'\n[redshift]\npostgres = "host={self.folder} dbname=postgres user=postgres"\n'

    def stop(self) -> None:
        """Ends it; then its files are gone."""
        if self.keeper.stdin:
            self.keeper.stdin.close()
        self.keeper.wait()


def certify(data: Path, root: Path) -> None:
    """Gives the server a certificate for `localhost`, of an authority of its own, which is the root."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        key, leaf = Path(folder) / "key.pem", Path(folder) / "leaf.pem"
        authority = ["-x509", *curve, "-subj", "/CN=bench", "-keyout", key, "-out", root]
        extensions = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
        signed = ["-CA", root, "-CAkey", key, "-subj", "/CN=localhost", "-keyout", data / "server.key", "-out", leaf]
        for request in (authority, ["-x509", *curve, *extensions, *signed]):
            made = subprocess.run(["openssl", "req", *request], capture_output=True, text=True)
            if made.returncode != 0:
                raise Wrong(f"openssl: {made.stderr}")
        (data / "server.crt").write_bytes(leaf.read_bytes())
    root.chmod(0o644)
    for name in ("server.crt", "server.key"):
        (data / name).chmod(0o600)
        if os.getuid() == 0:
            os.chown(data / name, NOBODY, NOBODY)


def programs() -> Path:
    """The folder of those of the newest version on this machine."""
    found = [path for path in PROGRAMS.glob("*/bin") if (path / "initdb").exists()]
    if not found:
        raise Wrong("PostgreSQL is missing: `make setup` installs it")
    return max(found, key=lambda path: [int(digits) for digits in re.findall(r"\d+", path.parent.name)])


def as_owner(program: str) -> list[str]:
    """A program, run by the user that the files belong to."""
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [*(user if os.getuid() == 0 else []), str(programs() / program)]

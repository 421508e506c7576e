#!/usr/bin/env python3
"""Checks against real AWS what the programs rely on, and writes the results into docs/verified.md.

Opt-in: `make live`. Every service is named by variables (see README.md); what is not named is left out. It starts work of
its own, with a nonce in every name, and stops or deletes nothing else.

usage: live.py [--plan] [--register FILE] [PROBE...]
"""

import argparse
import datetime
import os
import re
import secrets
import sys
import time
from pathlib import Path

import awscli  # noqa: F401  its own botocore becomes `botocore` by this
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

import probes_of_flows  # noqa: F401  adds its probes
import probes_of_jobs  # noqa: F401  adds its probes
from probe import ALL

ROOT = Path(__file__).resolve().parents[2]
# Longest time that one probe waits for something to become visible or to end.
PATIENCE = 180


class Live:
    """What probes share: clients, the nonce, and the work that was started here."""

    def __init__(self, nonce):
        self.nonce = nonce
        self.session = botocore.session.get_session()
        self.clients = {}
        self.undo = []

    def env(self, name):
        return os.environ.get(f"LIVE_{name}", "")

    def __call__(self, service, operation, **parameters):
        """One request. Retries are off: a second request would hide what the first one did."""
        if service not in self.clients:
            config = Config(retries={"max_attempts": 0}, read_timeout=70)
            self.clients[service] = self.session.create_client(service, config=config)
        client = self.clients[service]
        names = {api: name for name, api in client.meta.method_to_api_mapping.items()}
        return getattr(client, names[operation])(**parameters)

    def refusal(self, service, operation, **parameters):
        """The error code of a request, or None where it is accepted."""
        try:
            self(service, operation, **parameters)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return None

    def name(self, suffix=""):
        """A name that carries the nonce."""
        return f"live-{self.nonce}{suffix}"

    def afterwards(self, what, action):
        """Stops or deletes work that was started here, when all probes are done."""
        self.undo.append((what, action))

    def until(self, look, wanted):
        """Looks every half second until the result is wanted; returns it with the seconds that it took."""
        begun = time.monotonic()
        while True:
            seen = look()
            took = time.monotonic() - begun
            if wanted(seen):
                return seen, took
            if took > PATIENCE:
                raise TimeoutError(f"not seen within {PATIENCE} s; last: {seen}")
            time.sleep(0.5)

    def clean_up(self):
        """Whatever still runs of what was started here."""
        for what, action in reversed(self.undo):
            try:
                action()
            except (BotoCoreError, ClientError) as error:
                # Some services refuse to stop what has ended; anything else is to be looked at by hand.
                print(f"left as it is: {what}: {error}", file=sys.stderr)


class Register:
    """docs/verified.md: a row for each fact, its id first, and `real AWS` in the last column."""

    ROW = re.compile(r"^\| `([a-z0-9-]+)` \|(.*)\|([^|]*)\|$")

    def __init__(self, path):
        self.path = Path(path)
        self.lines = self.path.read_text(encoding="utf-8").splitlines()

    def ids(self):
        """The facts that a probe can check: those whose row has a column for it that is not `-`."""
        return {match[1] for line in self.lines if (match := self.ROW.match(line)) and match[3].strip() != "-"}

    def write(self, results):
        for index, line in enumerate(self.lines):
            match = self.ROW.match(line)
            if match and match[1] in results:
                self.lines[index] = f"| `{match[1]}` |{match[2]}| {results[match[1]]} |"
        self.path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")


def run(live, probe):
    """One probe: what was observed, as a cell of the register."""
    try:
        observed, as_relied_on = probe.check(live)
    except (BotoCoreError, ClientError, LookupError, TimeoutError) as error:
        return None, f"{type(error).__name__}: {error}"
    verdict = "as relied on" if as_relied_on else "**differs**"
    day = datetime.datetime.now(datetime.timezone.utc).date()
    return f"{day}: {verdict}: {observed}".replace("|", "/"), None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--plan", action="store_true", help="print what would be done, with its cost, and do nothing")
    parser.add_argument("--register", default=ROOT / "docs" / "verified.md", help="file to write the results into")
    parser.add_argument("probes", nargs="*", metavar="PROBE", help="ids of docs/verified.md; all where none is given")
    options = parser.parse_args()

    register = Register(options.register)
    known = {probe.id for probe in ALL}
    if known != register.ids():
        sys.exit(f"probes and rows of {register.path} differ: {sorted(known ^ register.ids())}")
    if unknown := set(options.probes) - known:
        sys.exit(f"no such probes: {sorted(unknown)}")

    live = Live(secrets.token_hex(6))
    chosen = [probe for probe in ALL if not options.probes or probe.id in options.probes]
    ready = [probe for probe in chosen if not probe.missing(live)]
    for probe in chosen:
        missing = probe.missing(live)
        print(f"{probe.id}: {'left out, set ' + ', '.join(missing) if missing else probe.cost}")
    if options.plan:
        return
    if not ready:
        sys.exit("no probe can run: name your own resources in the variables of tests/live/README.md")

    try:
        live.caller = live("sts", "GetCallerIdentity")["Arn"]
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"no identity to check anything with: {error}")
    print(f"nonce: {live.nonce}")
    results, failures = {}, []
    try:
        for probe in ready:
            cell, problem = run(live, probe)
            print(f"{probe.id}: {cell or problem}", flush=True)
            if cell:
                results[probe.id] = cell
            else:
                failures.append(probe.id)
    finally:
        register.write(results)
        live.clean_up()
    if failures:
        sys.exit(f"not checked: {', '.join(failures)}")


if __name__ == "__main__":
    main()

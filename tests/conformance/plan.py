#!/usr/bin/env python3
"""Who botocore takes itself for: reads a case a line, writes an answer a line, in one process for many.

A case has `env`, all of its environment, and `profile`, that of the command line's `--profile`, or null. An answer has
`ok`, the caller's ARN, or `refused`, why there is none. What was sent on the way, the other side of the wire knows.
"""

import getpass
import json
import os
import sys


def nobody(*_):
    raise EOFError("nobody is there to type a code")


getpass.getpass = nobody  # botocore takes it when it is imported

import awscli  # its own botocore becomes `botocore` by this, where python3 -S knows no other
import botocore.loaders
import botocore.session
from botocore.config import Config

LOADER = botocore.loaders.create_loader()


def answer(case):
    os.environ.clear()
    os.environ.update(case["env"])
    session = botocore.session.Session()
    # The models are read once.
    session.register_component("data_loader", LOADER)
    if case["profile"] is not None:
        # What the AWS CLI does with the option.
        session.set_config_variable("profile", case["profile"])
    try:
        client = session.create_client("sts", config=Config(retries={"max_attempts": 0}))
        return {"ok": client.get_caller_identity()["Arn"]}
    except Exception as error:  # whatever it is: here it ends for a user
        return {"refused": f"{type(error).__name__}: {error}"}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)

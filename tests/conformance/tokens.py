#!/usr/bin/env python3
"""Signs what the binaries have signed, by botocore and the AWS CLI: reads a JSON list of cases, writes that of their
tokens.

A case has `kind`: `rds` (and `host`, `port`, `user`) or `eks` (and `cluster`); and `region`, `key`, `secret`,
`session`, `time` (seconds).
"""

import datetime
import json
import sys

import awscli  # its own botocore becomes `botocore` by this, where python3 -S knows no other
import botocore.auth
import botocore.session
from awscli.customizations.eks.get_token import STSClientFactory, TokenGenerator


def token(case):
    now = datetime.datetime.fromtimestamp(case["time"], datetime.timezone.utc).replace(tzinfo=None)
    botocore.auth.get_current_datetime = lambda: now
    session = botocore.session.get_session()
    session.set_credentials(case["key"], case["secret"], case["session"])
    if case["kind"] == "eks":
        return TokenGenerator(STSClientFactory(session).get_sts_client(region_name=case["region"])).get_token(
            case["cluster"])
    client = session.create_client("rds", case["region"])
    return client.generate_db_auth_token(case["host"], case["port"], case["user"])


json.dump([token(case) for case in json.load(sys.stdin)], sys.stdout)

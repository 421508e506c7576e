"""moto's server on a free port, and what a test wants of it: JSON lines on standard input, one answer a line.

First comes a line with the address. An order is `{"order": NAME, ...}`, its answer `{"ok": ...}` or `{"error": TEXT}`:

call     by boto3 as someone of `account`: `service` (Glue: "glue"), `operation` (CreateJob), `parameters`
post     `body` to one of moto's own addresses (`path` below /moto-api)
enforce  from here on (`on`) every request needs an identity policy, but for those of `call`
end-run  gives all Glue runs that are not over `state`
secrets  every secret key and session token there is

Ends with its standard input.
"""

import json
import logging
import os
import sys

os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "inf"
# A page of a list of objects, so that a few make more than one.
os.environ["MOTO_S3_DEFAULT_MAX_KEYS"] = "4"

import boto3
import botocore.config
import requests
from botocore import xform_name
from moto import settings
from moto.core.authorization import disable_iam_authentication
from moto.glue.models import glue_backends
from moto.iam.models import iam_backends
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.sts.models import sts_backends

REGION = "us-east-2"


class Moto:
    def __init__(self):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        self.url = "http://{}:{}".format(*server.get_host_and_port())
        self.clients = {}

    def call(self, account, service, operation, parameters):
        with disable_iam_authentication():
            client = self._client(account, service)
            answer = getattr(client, xform_name(operation))(**parameters)
        answer.pop("ResponseMetadata")
        return {name: value.read().decode() if hasattr(value, "read") else value for name, value in answer.items()}

    def post(self, path, body):
        requests.post(f"{self.url}/moto-api/{path}", json=body, timeout=10).raise_for_status()

    def enforce(self, on):
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0 if on else float("inf")

    def end_run(self, state):
        for run in self._each(glue_backends, lambda backend: [run for job in backend.jobs.values() for run in job.job_runs]):
            if run.status in ("STARTING", "RUNNING"):
                run.status = state

    def secrets(self):
        keys = self._each(iam_backends, lambda backend: [key for user in backend.users.values() for key in user.access_keys])
        roles = self._each(sts_backends, lambda backend: backend.assumed_roles)
        return [key.secret_access_key for key in keys] + [one for role in roles for one in (role.secret_access_key, role.session_token)]

    @staticmethod
    def _each(backends, of):
        return [one for regions in list(backends.values()) for backend in list(regions.values()) for one in of(backend)]

    def _client(self, account, service):
        """Which account a request is for, moto tells by the role whose session has signed it."""
        if (account, service) not in self.clients:
            keys = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup"}
            if account:
                taken = self._client(None, "sts").assume_role(RoleArn=f"arn:aws:iam::{account}:role/setup", RoleSessionName="setup")
                keys = {f"aws_{xform_name(name)}": taken["Credentials"][name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
            config = botocore.config.Config(retries={"max_attempts": 0})
            self.clients[account, service] = boto3.client(service, region_name=REGION, endpoint_url=self.url, config=config, **keys)
        return self.clients[account, service]


def main():
    moto = Moto()
    say(moto.url)
    for line in sys.stdin:
        order = json.loads(line)
        method = getattr(moto, order.pop("order").replace("-", "_"))
        try:
            say({"ok": method(**order)})
        except Exception as error:  # the test is told, and fails
            say({"error": f"{type(error).__name__}: {error}"})


def say(value):
    print(json.dumps(value, default=str), flush=True)


main()

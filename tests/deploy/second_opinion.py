#!/usr/bin/env python3
"""The policies under the eyes of another implementation: moto with IAM enforcement.

second_opinion.py STATIC_BINARIES POLICIES: a user of account A with the permission of account-a-permissions.json runs jobs in
account B through --assume-role, with the policy as it is and with each statement left out. Moto looks at actions and not
at resources, at identity policies and not at trust; while it enforces it can do no AssumeRoleWithWebIdentity, takes the
signature of every Lambda Invoke for a wrong one (boto3's too), stops no Glue run, and answers
Redshift's calls with times that no SDK reads. What it
cannot tell is told by the sandbox (tests/least). Prints a line for each run; ends with 1 where one is not as it must be.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3

A, B, REGION = "111111111111", "222222222222", "us-east-2"
ROLE = f"arn:aws:iam::{B}:role/external"
SPEC = json.dumps({
    "TrainingJobName": "churn", "RoleArn": f"arn:aws:iam::{B}:role/trainer",
    "OutputDataConfig": {"S3OutputPath": "s3://team-data/models"},
    "AlgorithmSpecification": {"TrainingImage": f"{B}.dkr.ecr.us-east-2.amazonaws.com/churn:1", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
})
BINARIES, POLICIES = Path(sys.argv[1]), Path(sys.argv[2])


def policy(file: str) -> dict:
    """A template; moto looks at no resource, so that any does."""
    document = json.loads((POLICIES / file).read_text())
    for statement in document["Statement"]:
        statement["Resource"] = "*"
        statement.pop("Condition", None)
    return document


class Moto:
    """A moto server of the test's own."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        env = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": "1000000"}
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                urllib.request.urlopen(self.url + "/moto-api/data.json", timeout=5).close()
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise SystemExit("moto does not start")

    def post(self, path: str, body: str) -> None:
        # As a form, the body would be taken apart.
        request = urllib.request.Request(self.url + path, body.encode(), {"Content-Type": "text/plain"}, method="POST")
        urllib.request.urlopen(request, timeout=5).close()

    def enforce(self, on: bool) -> None:
        """From here on every request needs a policy, or none does."""
        self.post("/moto-api/reset-auth", "0" if on else "1000000")

    def client(self, service: str, account: str):
        """A client of an account, while nothing is enforced."""
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.url, aws_access_key_id=self.keys[account][0],
            aws_secret_access_key=self.keys[account][1], aws_session_token=self.keys[account][2],
        )

    def accounts(self) -> None:
        """Session keys of both accounts: which account a request is for, moto tells by the role that was taken."""
        sts = boto3.client("sts", region_name=REGION, endpoint_url=self.url, aws_access_key_id="x", aws_secret_access_key="x")
        self.keys = {}
        for account in (A, B):
            keys = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/admin", RoleSessionName="setup")["Credentials"]
            self.keys[account] = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def main() -> int:
    moto = Moto()
    try:
        return judge(moto)
    finally:
        moto.process.terminate()
        moto.process.wait(timeout=10)


def judge(moto: Moto) -> int:
    moto.accounts()
    user = moto.client("iam", A)
    user.create_user(UserName="task")
    user.put_user_policy(UserName="task", PolicyName="a", PolicyDocument=json.dumps(policy("account-a-permissions.json")))
    key = user.create_access_key(UserName="task")["AccessKey"]
    role = moto.client("iam", B)
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{A}:root"}, "Action": "sts:AssumeRole"}]}
    role.create_role(RoleName="external", AssumeRolePolicyDocument=json.dumps(trust))
    moto.client("glue", B).create_job(Name="nightly-etl", Role="r", Command={"Name": "glueetl", "ScriptLocation": "s3://x/y.py"}, ExecutionProperty={"MaxConcurrentRuns": 100})
    def run(binary: str, args: list[str], document: dict) -> tuple[int, str]:
        moto.enforce(False)
        role.put_role_policy(RoleName="external", PolicyName="b", PolicyDocument=json.dumps(document))
        moto.enforce(True)
        with tempfile.TemporaryDirectory() as folder:
            env = {
                "AWS_ENDPOINT_URL": moto.url, "AWS_REGION": REGION, "HOSTNAME": "task-1",
                "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
                "ASSUME_ROLE": ROLE, "JOB_TERMINATION_LOG": folder + "/log",
            }
            ended = subprocess.run([BINARIES / binary, *args], env=env, input=SPEC, capture_output=True, text=True, timeout=60)
        return ended.returncode, ended.stderr

    wrong = 0

    def expect(what: str, code: int, ended: tuple[int, str], says: str = "") -> None:
        nonlocal wrong
        good = ended[0] == code and says in ended[1]
        wrong += not good
        print(f"{'ok' if good else 'WRONG'}: {what}: {ended[0]}" + ("" if good else f", not {code} `{says}`\n{ended[1]}"))

    glue = ["--job-name=nightly-etl", "--poll-interval=100ms", "--idempotency-key=k"]
    features = {
        "glue-trigger": (glue, {"StartAndFollow": "glue:", "OnceForAKey": "glue:GetJobRuns"}),
        "sagemaker-invoke": (["train", "--spec-file=-", "--poll-interval=100ms"], {"Train": "sagemaker:CreateTrainingJob"}),
    }
    for binary, (args, sids) in features.items():
        whole = policy(f"permissions/{binary}.json")
        whole["Statement"] = [one for one in whole["Statement"] if one["Sid"] in sids]
        number = 0
        for sid, says in sids.items():
            number += 1
            less = dict(whole, Statement=[one for one in whole["Statement"] if one["Sid"] != sid] or deny_all())
            unused = [arg + f"-less-{number}" if "key" in arg else arg for arg in args]
            expect(f"{binary} less {sid}", 77, run(binary, unused, less), says)
        expect(f"{binary} with {list(sids)}", 0, run(binary, args, whole))
    moto.enforce(False)
    user.delete_user_policy(UserName="task", PolicyName="a")
    moto.enforce(True)
    expect("no permission in account A", 77, run("glue-trigger", glue, policy("permissions/glue-trigger.json")), "hop 2 of 2")
    return 1 if wrong else 0


def deny_all() -> list[dict]:
    """A policy must have a statement."""
    return [{"Sid": "Nothing", "Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}]


if __name__ == "__main__":
    sys.exit(main())

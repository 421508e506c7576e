#!/usr/bin/env python3
"""Calls every operation that the sandbox plays as a client of AWS does, and refuses to be content with less than the
client expects. Each is called twice at least: once well, once so that AWS refuses it.

usage: operations.py botocore|cli, in the environment that tests/conformance.rs makes. Says `ok` at the end. Which
operations were reached is asked of the sandbox, not of this script.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

import client
from client import Refused

from botocore.exceptions import MetadataRetrievalError
from botocore.utils import ContainerMetadataFetcher, InstanceMetadataFetcher

ACCOUNT = "222222222222"
NOWHERE = "00000000-0000-4000-8000-000000000000"
ROLE = "arn:aws:iam::222222222222:role/external-glue"


class Caller:
    """Calls, and says of each what was wrong with it."""

    def __init__(self, aws):
        self.aws = aws

    def __call__(self, service, operation, **parameters):
        try:
            return self.aws(service, operation, **parameters)
        except Refused as refusal:
            raise AssertionError(f"{service}:{operation} was refused: {refusal.code}") from refusal

    def refused(self, code, service, operation, **parameters):
        try:
            self.aws(service, operation, **parameters)
        except Refused as refusal:
            expect(refusal.code, code, f"{service}:{operation}")
        else:
            raise AssertionError(f"{service}:{operation} should have been refused with {code}")


def expect(seen, wanted, what):
    if seen != wanted:
        raise AssertionError(f"{what}: {seen!r} is not {wanted!r}")


def until(look, done):
    """Looks until it is done; a minute at most."""
    for _ in range(300):
        seen = look()
        if done(seen):
            return seen
        time.sleep(0.2)
    raise AssertionError(f"it does not end: {seen}")


def sts(do):
    token = open(os.environ["SANDBOX_TOKEN_FILE"], encoding="ascii").read()
    first = "arn:aws:iam::111111111111:role/cats-glue"
    expect(do("sts", "GetCallerIdentity")["Account"], ACCOUNT, "the account")
    answer = do("sts", "AssumeRoleWithWebIdentity", RoleArn=first, RoleSessionName="judge", WebIdentityToken=token)
    expect(answer["AssumedRoleUser"]["Arn"], "arn:aws:sts::111111111111:assumed-role/cats-glue/judge", "who it is")
    do.refused("InvalidIdentityToken", "sts", "AssumeRoleWithWebIdentity", RoleArn=first, RoleSessionName="judge",
               WebIdentityToken="no-token-at-all")
    role = "arn:aws:iam::222222222222:role/judged"
    answer = do("sts", "AssumeRole", RoleArn=role, RoleSessionName="judge", DurationSeconds=900)
    expect(sorted(answer["Credentials"]), ["AccessKeyId", "Expiration", "SecretAccessKey", "SessionToken"], "the keys")
    do.refused("AccessDenied", "sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="judge")
    with wrong_key(do):
        do.refused("InvalidClientTokenId", "sts", "GetCallerIdentity")


class wrong_key:
    """An access key that nobody has."""

    def __init__(self, do):
        self.do = do

    def __enter__(self):
        self.aws, self.key = self.do.aws, os.environ["AWS_ACCESS_KEY_ID"]
        os.environ["AWS_ACCESS_KEY_ID"] = "AKIANOBODYATALL00000"
        self.do.aws = type(self.aws)()

    def __exit__(self, *_):
        os.environ["AWS_ACCESS_KEY_ID"], self.do.aws = self.key, self.aws


def glue(do):
    job = {"JobName": "endless"}
    expect(do("glue", "GetJob", **job)["Job"]["Name"], "endless", "the job")
    run = do("glue", "StartJobRun", Arguments={"--day": "monday"}, **job)["JobRunId"]
    told = do("glue", "GetJobRun", RunId=run, **job)["JobRun"]
    expect((told["Id"], told["Arguments"]["--day"]), (run, "monday"), "the run")
    expect([told["Id"] for told in do("glue", "GetJobRuns", **job)["JobRuns"]], [run], "the runs")
    stopped = do("glue", "BatchStopJobRun", JobRunIds=[run], **job)
    expect([told["JobRunId"] for told in stopped["SuccessfulSubmissions"]], [run], "what was stopped")
    for operation, more in [("GetJob", {}), ("StartJobRun", {}), ("GetJobRun", {"RunId": "jr_0"}), ("GetJobRuns", {})]:
        do.refused("EntityNotFoundException", "glue", operation, JobName="nowhere", **more)
    # What cannot be stopped is in the answer; what is no batch is refused.
    errors = do("glue", "BatchStopJobRun", JobName="nowhere", JobRunIds=["jr_0"])["Errors"]
    expect([told["ErrorDetail"]["ErrorCode"] for told in errors], ["EntityNotFoundException"], "what was not stopped")
    do.refused("ValidationException", "glue", "BatchStopJobRun", JobRunIds=["jr_0"] * 26, **job)


def logs(do):
    run = do("glue", "StartJobRun", JobName="broken-etl")["JobRunId"]
    until(lambda: do("glue", "GetJobRun", JobName="broken-etl", RunId=run)["JobRun"]["JobRunState"],
          lambda state: state == "FAILED")
    group = {"logGroupName": "/aws-glue/jobs/output"}
    streams = do("logs", "DescribeLogStreams", logStreamNamePrefix=run, **group)["logStreams"]
    expect([stream["logStreamName"] for stream in streams], [run], "the streams")
    events = do("logs", "GetLogEvents", logStreamName=run, startFromHead=True, **group)
    expect([event["message"] for event in events["events"]], ["reading s3://team-etl/orders/"], "the events")
    found = do("logs", "FilterLogEvents", logStreamNames=[run], **group)
    expect(len(found["events"]), 1, "the events that were filtered")
    for operation, more in [("DescribeLogStreams", {}), ("GetLogEvents", {"logStreamName": run}),
                            ("FilterLogEvents", {})]:
        do.refused("ResourceNotFoundException", "logs", operation, logGroupName="/nowhere", **more)


def aws_lambda(do):
    report = {"FunctionName": "nightly-report"}
    expect(do("lambda", "GetFunctionConfiguration", **report)["FunctionName"], "nightly-report", "the function")
    answer = do("lambda", "Invoke", Payload=b'{"day": 1}', **report)
    expect(json.loads(answer["Payload"]), {"rows": 1204, "status": "ok"}, "the answer")
    answer = do("lambda", "Invoke", FunctionName="broken-report")
    expect((answer["StatusCode"], answer["FunctionError"]), (200, "Unhandled"), "the failure of a function")
    if do.aws.knows("lambda", "InvokeWithResponseStream"):
        events = do("lambda", "InvokeWithResponseStream", **report)["EventStream"]
        pieces = [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
        expect(json.loads(b"".join(pieces))["rows"], 1204, "the stream")
        expect("InvokeComplete" in events[-1], True, "the end of the stream")
        do.refused("ResourceNotFoundException", "lambda", "InvokeWithResponseStream", FunctionName="nowhere")
    answer = do("lambda", "Invoke", FunctionName="workflow", Qualifier="live", InvocationType="Event",
                DurableExecutionName="one", Payload=b"{}")
    arn = answer["DurableExecutionArn"]
    listed = do("lambda", "ListDurableExecutionsByFunction", FunctionName="workflow", Qualifier="live")
    expect([told["DurableExecutionArn"] for told in listed["DurableExecutions"]], [arn], "the executions")
    expect(do("lambda", "GetDurableExecution", DurableExecutionArn=arn)["DurableExecutionName"], "one", "its name")
    do("lambda", "StopDurableExecution", DurableExecutionArn=arn)
    unknown = arn.rsplit("/", 1)[0] + "/" + NOWHERE
    for operation in ("GetDurableExecution", "StopDurableExecution"):
        do.refused("ResourceNotFoundException", "lambda", operation, DurableExecutionArn=unknown)
    for operation in ("GetFunctionConfiguration", "Invoke", "ListDurableExecutionsByFunction"):
        do.refused("ResourceNotFoundException", "lambda", operation, FunctionName="nowhere")


def s3(do):
    at = {"Bucket": "team-data", "Key": "out/a b+c.json"}
    do("s3", "PutObject", Body=b"[1]", ContentType="application/json", Metadata={"made-by": "judge"}, **at)
    answer = do("s3", "GetObject", **at)
    expect((answer["Body"], answer["ContentType"]), (b"[1]", "application/json"), "the object")
    head = do("s3", "HeadObject", **at)
    expect((head["ContentLength"], head["Metadata"]), (3, {"made-by": "judge"}), "its head")
    listed = do("s3", "ListObjectsV2", Bucket="team-data", Prefix="out/")["Contents"]
    expect([told["Key"] for told in listed], [at["Key"]], "the keys")
    do.refused("PreconditionFailed", "s3", "PutObject", Body=b"[2]", IfNoneMatch="*", **at)
    do("s3", "DeleteObject", **at)
    do.refused("NoSuchKey", "s3", "GetObject", **at)
    do.refused("404", "s3", "HeadObject", **at)
    for operation, more in [("ListObjectsV2", {}), ("DeleteObject", {"Key": "a"})]:
        do.refused("NoSuchBucket", "s3", operation, Bucket="nowhere-at-all", **more)


def sagemaker(do):
    model = {"EndpointName": "scoring", "ContentType": "text/csv", "Body": b"1,2"}
    expect(do("sagemaker-runtime", "InvokeEndpoint", **model)["Body"], b"1,2", "the inference")
    do.refused("ValidationError", "sagemaker-runtime", "InvokeEndpoint", **model | {"EndpointName": "nowhere"})
    if do.aws.knows("sagemaker-runtime", "InvokeEndpointWithResponseStream"):
        events = do("sagemaker-runtime", "InvokeEndpointWithResponseStream", **model)["Body"]
        expect(b"".join(event["PayloadPart"]["Bytes"] for event in events), b"1,2", "the stream")
        do.refused("ValidationError", "sagemaker-runtime", "InvokeEndpointWithResponseStream",
                   **model | {"EndpointName": "nowhere"})
    queue = {"EndpointName": "scoring-async", "InputLocation": "s3://team-data/in/one.json"}
    answer = do("sagemaker-runtime", "InvokeEndpointAsync", **queue)
    expect(answer["OutputLocation"].startswith("s3://team-data/async/"), True, "the place of the answer")
    do.refused("ValidationError", "sagemaker-runtime", "InvokeEndpointAsync", **queue | {"EndpointName": "nowhere"})

    spec = {
        "TrainingJobName": "judged",
        "RoleArn": "arn:aws:iam::222222222222:role/sagemaker-training",
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://team-data/models/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    name = {"TrainingJobName": "judged"}
    arn = do("sagemaker", "CreateTrainingJob", **spec)["TrainingJobArn"]
    told = do("sagemaker", "DescribeTrainingJob", **name)
    expect((told["TrainingJobArn"], told["TrainingJobStatus"]), (arn, "InProgress"), "the training job")
    do("sagemaker", "StopTrainingJob", **name)
    do.refused("ResourceInUse", "sagemaker", "CreateTrainingJob", **spec)
    for operation in ("DescribeTrainingJob", "StopTrainingJob"):
        do.refused("ValidationException", "sagemaker", operation, TrainingJobName="nowhere")


def redshift(do):
    on = {"ClusterIdentifier": "analytics", "Database": "dev", "DbUser": "etl"}

    def ended(answer):
        return until(lambda: do("redshift-data", "DescribeStatement", Id=answer["Id"]),
                     lambda told: told["Status"] in ("FINISHED", "FAILED", "ABORTED"))

    def run(sql, **more):
        told = ended(do("redshift-data", "ExecuteStatement", Sql=sql, **on | more))
        expect(told["Status"], "FINISHED", sql)
        return told

    run("create schema judged")
    run("create table judged.orders (id int, name text)")
    batch = ended(do("redshift-data", "BatchExecuteStatement", **on, Sqls=[
        "insert into judged.orders values (1, null)", "insert into judged.orders values (2, 'a')"]))
    expect([part["Status"] for part in batch["SubStatements"]], ["FINISHED"] * 2, "the parts of a batch")
    result = do("redshift-data", "GetStatementResult", Id=run("select * from judged.orders order by id")["Id"])
    expect(result["Records"], [[{"longValue": 1}, {"isNull": True}], [{"longValue": 2}, {"stringValue": "a"}]],
           "the result")
    csv = run("select id from judged.orders order by id", ResultFormat="CSV")
    pages = do("redshift-data", "GetStatementResultV2", Id=csv["Id"])
    expect(pages["Records"], [{"CSVRecords": "1\r\n2\r\n"}], "the result as CSV")
    listed = do("redshift-data", "ListStatements", Status="ALL", Database="dev", ClusterIdentifier="analytics")
    expect(csv["Id"] in [told["Id"] for told in listed["Statements"]], True, "the statements")
    expect("dev" in do("redshift-data", "ListDatabases", **on)["Databases"], True, "the databases")
    expect("judged" in do("redshift-data", "ListSchemas", **on)["Schemas"], True, "the schemas")
    tables = do("redshift-data", "ListTables", SchemaPattern="judged", **on)["Tables"]
    expect([told["name"] for told in tables], ["orders"], "the tables")
    columns = do("redshift-data", "DescribeTable", Schema="judged", Table="orders", **on)["ColumnList"]
    expect([told["name"] for told in columns], ["id", "name"], "the columns")
    held = do("redshift-data", "ExecuteStatement", Sql="select 1", SessionKeepAliveSeconds=60, **on)
    ended(held)
    sessions = do("redshift-data", "ListSessions", Status="AVAILABLE")["Sessions"]
    expect([told["SessionId"] for told in sessions], [held["SessionId"]], "the sessions")
    slow = do("redshift-data", "ExecuteStatement", Sql="select pg_sleep(60)", **on)
    until(lambda: do("redshift-data", "DescribeStatement", Id=slow["Id"])["Status"], lambda told: told == "STARTED")
    expect(do("redshift-data", "CancelStatement", Id=slow["Id"])["Status"], True, "the cancellation")

    for operation in ("DescribeStatement", "CancelStatement", "GetStatementResult", "GetStatementResultV2"):
        do.refused("ResourceNotFoundException", "redshift-data", operation, Id=NOWHERE)
    nowhere = on | {"ClusterIdentifier": "nowhere"}
    for operation, more in [("ExecuteStatement", {"Sql": "select 1"}), ("BatchExecuteStatement", {"Sqls": ["select 1"]}),
                            ("ListDatabases", {}), ("ListSchemas", {}), ("ListTables", {}), ("DescribeTable", {})]:
        do.refused("ValidationException", "redshift-data", operation, **nowhere | more)
    for operation in ("ListStatements", "ListSessions"):
        do.refused("ValidationException", "redshift-data", operation, NextToken="no-page-of-anything")


def stepfunctions(do):
    def machine(name):
        return {"stateMachineArn": f"arn:aws:states:us-east-2:{ACCOUNT}:stateMachine:{name}"}

    nightly, broken, quick, nowhere = map(machine, ("nightly-workflow", "broken-workflow", "quick-workflow", "nowhere"))
    told = do("stepfunctions", "DescribeStateMachine", **nightly)
    expect((told["name"], told["type"]), ("nightly-workflow", "STANDARD"), "the state machine")
    first = do("stepfunctions", "StartExecution", name="one", input='{"day": 1}', **nightly)
    again = do("stepfunctions", "StartExecution", name="one", input='{"day": 1}', **nightly)
    members = ("executionArn", "startDate")
    expect([again[member] for member in members], [first[member] for member in members], "the same execution")
    do.refused("ExecutionAlreadyExists", "stepfunctions", "StartExecution", name="one", input='{"day": 2}', **nightly)
    arn = {"executionArn": first["executionArn"]}
    expect(do("stepfunctions", "DescribeExecution", **arn)["input"], '{"day": 1}', "its input")
    do("stepfunctions", "StopExecution", error="Judged", cause="enough", **arn)
    told = do("stepfunctions", "DescribeExecution", **arn)
    expect((told["status"], told["error"]), ("ABORTED", "Judged"), "the execution that was stopped")
    listed = do("stepfunctions", "ListExecutions", statusFilter="ABORTED", **nightly)["executions"]
    expect([told["name"] for told in listed], ["one"], "the executions")
    do.refused("ExecutionAlreadyExists", "stepfunctions", "StartExecution", name="one", input='{"day": 1}', **nightly)

    failed = do("stepfunctions", "StartExecution", **broken)["executionArn"]
    until(lambda: do("stepfunctions", "DescribeExecution", executionArn=failed)["status"],
          lambda status: status == "FAILED")
    history = do("stepfunctions", "GetExecutionHistory", executionArn=failed, reverseOrder=True)["events"]
    expect([event["type"] for event in history[:2]], ["ExecutionFailed", "TaskFailed"], "its last events")
    do("stepfunctions", "RedriveExecution", executionArn=failed)
    told = do("stepfunctions", "DescribeExecution", executionArn=failed)
    expect((told["status"], told["redriveCount"]), ("RUNNING", 1), "the execution that was redriven")
    do.refused("ExecutionNotRedrivable", "stepfunctions", "RedriveExecution", executionArn=failed)

    answer = do("stepfunctions", "StartSyncExecution", input='{"a": 1}', **quick)
    expect((answer["status"], json.loads(answer["output"])), ("SUCCEEDED", {"a": 1}), "the result")
    do.refused("StateMachineTypeNotSupported", "stepfunctions", "StartSyncExecution", **nightly)
    for operation in ("DescribeStateMachine", "StartExecution", "ListExecutions"):
        do.refused("StateMachineDoesNotExist", "stepfunctions", operation, **nowhere)
    unknown = {"executionArn": first["executionArn"].replace(":one", ":two")}
    for operation in ("DescribeExecution", "StopExecution", "GetExecutionHistory"):
        do.refused("ExecutionDoesNotExist", "stepfunctions", operation, **unknown)


def secretsmanager(do):
    told = do("secretsmanager", "DescribeSecret", SecretId="orders-db")
    secret = do("secretsmanager", "GetSecretValue", SecretId="orders-db")
    expect((told["ARN"], told["Name"]), (secret["ARN"], "orders-db"), "the secret")
    expect(json.loads(secret["SecretString"])["username"], "app", "its value")
    for operation in ("DescribeSecret", "GetSecretValue"):
        do.refused("ResourceNotFoundException", "secretsmanager", operation, SecretId="nowhere")


def mwaa(do):
    flow = {"Name": "orchestrator"}
    expect("orchestrator" in do("mwaa", "ListEnvironments")["Environments"], True, "the environments")
    expect(do("mwaa", "GetEnvironment", **flow)["Environment"]["Status"], "AVAILABLE", "the environment")
    answer = do("mwaa", "InvokeRestApi", Path="/dags/nightly", Method="GET", **flow)
    expect((answer["RestApiStatusCode"], answer["RestApiResponse"]["dag_id"]), (200, "nightly"), "the DAG")
    do.refused("RestApiClientException", "mwaa", "InvokeRestApi", Path="/dags/nowhere", Method="GET", **flow)
    for operation in ("GetEnvironment", "CreateCliToken", "CreateWebLoginToken"):
        do.refused("ResourceNotFoundException", "mwaa", operation, Name="nowhere")
    do.refused("ValidationException", "mwaa", "ListEnvironments", NextToken="no-page-of-anything")

    # No client of AWS knows the web server: what AWS's documentation does in Python and in the browser.
    cli, web = do("mwaa", "CreateCliToken", **flow), do("mwaa", "CreateWebLoginToken", **flow)
    host = f"https://{cli['WebServerHostname']}"
    printed = json.loads(fetch(f"{host}/aws_mwaa/cli", b"version", {"Authorization": f"Bearer {cli['CliToken']}",
                                                                  "Content-Type": "text/plain"}))
    expect(sorted(printed), ["stderr", "stdout"], "what a command prints")
    fetch(f"{host}/aws_mwaa/aws-console-sso")
    fetch(f"{host}/aws_mwaa/login", f"token={web['WebToken']}".encode())
    for path, body, status in [("/aws_mwaa/cli", b"version", 403), ("/aws_mwaa/login", b"token=no", 403),
                               ("/home", None, 404)]:
        expect(status_of(f"{host}{path}", body), status, path)


def fetch(url, body=None, headers=None):
    return urllib.request.urlopen(urllib.request.Request(url, body, headers or {}), timeout=20).read()


def status_of(url, body):
    try:
        fetch(url, body)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def eks(do):
    expect(do("eks", "ListClusters")["clusters"], ["target"], "the clusters")
    cluster = do("eks", "DescribeCluster", name="target")["cluster"]
    expect((cluster["name"], cluster["status"]), ("target", "ACTIVE"), "the cluster")
    do.refused("ResourceNotFoundException", "eks", "DescribeCluster", name="nowhere")
    do.refused("InvalidParameterException", "eks", "ListClusters", nextToken="no-page-of-anything")


def container_credentials(_):
    fetcher = ContainerMetadataFetcher(sleep=lambda _: None)
    url = os.environ["SANDBOX_URL"] + "/v1/credentials"
    keys = fetcher.retrieve_full_uri(url, headers={"Authorization": "pod-identity-token-of-this-pod"})
    expect(sorted(keys), ["AccessKeyId", "Expiration", "RoleArn", "SecretAccessKey", "Token"],
           "the container's credentials")
    try:
        fetcher.retrieve_full_uri(url, headers={"Authorization": "another"})
    except MetadataRetrievalError:
        return
    raise AssertionError("the container's credentials are anybody's")


def instance_metadata(_):
    url = os.environ["SANDBOX_URL"]
    fetcher = InstanceMetadataFetcher(base_url=url, env={}, config={"ec2_metadata_v1_disabled": True})
    keys = fetcher.retrieve_iam_role_credentials()
    expect((keys["role_name"], sorted(keys)), ("cats-glue", ["access_key", "expiry_time", "role_name", "secret_key",
                                                            "token"]), "the instance's credentials")
    # What a client that knows version 1 only asks.
    for path in ("", "cats-glue"):
        expect(status_of(f"{url}/latest/meta-data/iam/security-credentials/{path}", None), 401, path)
    expect(status_of(f"{url}/latest/api/token", None), 400, "a token without its life")


SERVICES = [sts, glue, logs, aws_lambda, s3, sagemaker, redshift, stepfunctions, secretsmanager, mwaa, eks, container_credentials,
            instance_metadata]


def main():
    client.environment()
    do = Caller({"botocore": client.Botocore, "cli": client.Cli}[sys.argv[1]]())
    failures = 0
    for service in SERVICES:
        try:
            service(do)
        except Exception as error:  # of one service; the others are judged as well
            failures += 1
            print(f"{service.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
    if failures:
        sys.exit(1)
    print("ok")


if __name__ == "__main__":
    main()

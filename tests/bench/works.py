"""The works that are measured: what each contender does, in its own words."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from process import Steps, Wrong
from stage import DATABASE, ENDPOINT, FUNCTION, WORKGROUP

JOB = "instant-etl"
# What the function and the endpoint are sent, and answer.
PAYLOAD = '{"customer":"c-1204","rows":[1,2,3],"dry_run":false}'
SQL = "select 1 as one"
DB_HOST, DB_PORT, DB_USER = "orders.cluster-abc123.us-east-2.rds.amazonaws.com", "5432", "app"
CLUSTER = "target"
HOPS = ["AssumeRoleWithWebIdentity", "AssumeRole"]


def contains(printed: str, shown: str) -> None:
    """Checks that the work's end was seen."""
    if shown not in printed:
        raise Wrong(f"no {shown} in: {printed!r}")


@dataclass(frozen=True)
class Task:
    """One of the works, in the words of each contender."""

    name: str
    product: str
    # The service's part in the name of the variable with its endpoint; none where no service is called.
    service: str | None
    # Those of the service, after the hops.
    operations: list[str]
    # The product's options.
    options: list[str]
    # What the floor learns beside its first argument, which is the work's name.
    variables: dict[str, str]
    # Path, headers and body of a request that curl sends for each operation.
    request: tuple[str, list[str], str] | None
    # The AWS CLI's processes: from the program and a scratch directory.
    cli: Callable[[str, Path], Steps]
    # What must be in the output.
    shown: str
    # What it may take, times the floor.
    cpu_ratio: float = 2.0
    wall_ratio: float = 1.6
    # It needs a PostgreSQL, which has the time between its first operation and its last.
    postgres: bool = False


def glue_cli(aws: str, _: Path) -> Steps:
    """Starts a run and looks at it."""
    job = ["--output", "json", "--job-name", JOB]
    started = yield [aws, "glue", "start-job-run", *job]
    run = json.loads(started)["JobRunId"]
    contains((yield [aws, "glue", "get-job-run", *job, "--run-id", run]), "SUCCEEDED")


def lambda_cli(aws: str, directory: Path) -> Steps:
    """Invokes the function; the answer goes to a file, as the CLI wants it."""
    # A file of bytes is the one form of a payload that both versions of the CLI take as it is.
    given, answer = directory / "payload", directory / "answer"
    given.write_text(PAYLOAD)
    options = ["--function-name", FUNCTION, "--payload", f"fileb://{given}"]
    yield [aws, "lambda", "invoke", *options, str(answer)]
    contains(answer.read_text(), PAYLOAD)


def sagemaker_cli(aws: str, directory: Path) -> Steps:
    """Asks the endpoint's model; the answer goes to a file, as the CLI wants it."""
    given, answer = directory / "payload", directory / "answer"
    given.write_text(PAYLOAD)
    endpoint = ["--endpoint-name", ENDPOINT, "--content-type", "application/json"]
    yield [aws, "sagemaker-runtime", "invoke-endpoint", *endpoint, "--body", f"fileb://{given}", str(answer)]
    contains(answer.read_text(), PAYLOAD)


def redshift_cli(aws: str, _: Path) -> Steps:
    """Starts a statement, looks at it and fetches its result; by the time of the look it has ended."""
    data = [aws, "redshift-data"]
    where = ["--workgroup-name", WORKGROUP, "--database", DATABASE]
    started = yield [*data, "execute-statement", "--output", "json", *where, "--sql", SQL]
    statement = ["--output", "json", "--id", json.loads(started)["Id"]]
    contains((yield [*data, "describe-statement", *statement]), "FINISHED")
    page = json.loads((yield [*data, "get-statement-result", *statement]))
    contains(json.dumps(page["Records"]), '[[{"longValue": 1}]]')


def rds_token_cli(aws: str, _: Path) -> Steps:
    """Signs a password for the database."""
    where = ["--hostname", DB_HOST, "--port", DB_PORT, "--username", DB_USER]
    contains((yield [aws, "rds", "generate-db-auth-token", *where]), "X-Amz-Signature")


def eks_token_cli(aws: str, _: Path) -> Steps:
    """Signs a token for the cluster."""
    contains((yield [aws, "eks", "get-token", "--cluster-name", CLUSTER]), "k8s-aws-v1.")


GLUE = Task(
    name="glue",
    product="glue-trigger",
    service="GLUE",
    operations=["StartJobRun", "GetJobRun"],
    options=["--job-name", JOB],
    variables={"GLUE_JOB_NAME": JOB},
    request=(
        "/",
        ["X-Amz-Target: AWSGlue.GetJobRun", "Content-Type: application/x-amz-json-1.1"],
        json.dumps({"JobName": JOB, "RunId": "jr_0"}),
    ),
    cli=glue_cli,
    shown="SUCCEEDED",
)
LAMBDA = Task(
    name="lambda",
    cpu_ratio=1.6,
    wall_ratio=1.4,
    product="lambda-invoke",
    service="LAMBDA",
    operations=["Invoke"],
    options=["--function-name", FUNCTION, "--payload", PAYLOAD],
    variables={"LAMBDA_FUNCTION_NAME": FUNCTION, "LAMBDA_PAYLOAD": PAYLOAD},
    request=(f"/2015-03-31/functions/{FUNCTION}/invocations", ["Content-Type: application/json"], PAYLOAD),
    cli=lambda_cli,
    shown=PAYLOAD,
)
SAGEMAKER = Task(
    name="sagemaker",
    product="sagemaker-invoke",
    service="SAGEMAKER_RUNTIME",
    operations=["InvokeEndpoint"],
    options=["endpoint", "--endpoint-name", ENDPOINT, "--body", PAYLOAD],
    variables={"SAGEMAKER_ENDPOINT_NAME": ENDPOINT, "SAGEMAKER_BODY": PAYLOAD},
    request=(f"/endpoints/{ENDPOINT}/invocations", ["Content-Type: application/json"], PAYLOAD),
    cli=sagemaker_cli,
    shown=PAYLOAD,
)
REDSHIFT = Task(
    name="redshift",
    product="redshift-query",
    service="REDSHIFT_DATA",
    operations=["ExecuteStatement", "DescribeStatement", "GetStatementResult"],
    options=["--workgroup-name", WORKGROUP, "--database", DATABASE, "--sql", SQL],
    variables={"REDSHIFT_WORKGROUP_NAME": WORKGROUP, "REDSHIFT_DATABASE": DATABASE, "REDSHIFT_SQL": SQL},
    request=(
        "/",
        ["X-Amz-Target: RedshiftData.DescribeStatement", "Content-Type: application/x-amz-json-1.1"],
        json.dumps({"Id": "00000000-0000-0000-0000-000000000000"}),
    ),
    cli=redshift_cli,
    shown='{"one":1}',
    postgres=True,
)
RDS_TOKEN = Task(
    name="rds-token",
    product="rds-connect",
    service=None,
    operations=[],
    options=["token", "--iam", "--host", DB_HOST, "--port", DB_PORT, "--user", DB_USER],
    variables={"RDS_HOST": f"{DB_HOST}:{DB_PORT}", "RDS_USER": DB_USER},
    request=None,
    cli=rds_token_cli,
    shown=f"{DB_HOST}:{DB_PORT}/?Action=connect&DBUser={DB_USER}&X-Amz-Algorithm=AWS4-HMAC-SHA256",
)
EKS_TOKEN = Task(
    name="eks-token",
    product="eks-token",
    service=None,
    operations=[],
    options=["token", "--cluster-name", CLUSTER],
    variables={"EKS_CLUSTER_NAME": CLUSTER},
    request=None,
    cli=eks_token_cli,
    shown="k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtZWFzdC0yLmFtYXpvbmF3cy5jb20v",
)
TASKS = {task.name: task for task in (GLUE, LAMBDA, SAGEMAKER, REDSHIFT, RDS_TOKEN, EKS_TOKEN)}

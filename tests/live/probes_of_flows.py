"""Probes of durable Lambda functions, MWAA and Step Functions."""

import json
import time

from probe import probe, seconds


# --- Lambda ----------------------------------------------------------------------------------------------------------

DURABLE = "a few invocations of the durable function, with the payload {\"live\": NONCE}"


def durable(live, suffix, payload=None):
    name, _, qualifier = live.env("DURABLE_FUNCTION").partition(":")
    answer = live("lambda", "Invoke", FunctionName=name, Qualifier=qualifier, InvocationType="Event",
                  DurableExecutionName=live.name(suffix), Payload=json.dumps(payload or {"live": live.nonce}))
    arn = answer["DurableExecutionArn"]
    live.afterwards(arn, lambda: live("lambda", "StopDurableExecution", DurableExecutionArn=arn))
    return arn


def durable_ended(live, arn):
    status = lambda: live("lambda", "GetDurableExecution", DurableExecutionArn=arn)["Status"]  # noqa: E731
    return live.until(status, lambda seen: seen != "RUNNING")[0]


@probe("durable-list-lag", "DURABLE_FUNCTION", cost=DURABLE)
def durable_list_lag(live):
    arn = durable(live, "-a")
    name, _, qualifier = live.env("DURABLE_FUNCTION").partition(":")
    found = lambda: [one["DurableExecutionArn"] for one in live(  # noqa: E731
        "lambda", "ListDurableExecutionsByFunction", FunctionName=name, Qualifier=qualifier,
        DurableExecutionName=live.name("-a"))["DurableExecutions"]]
    _, took = live.until(found, lambda seen: arn in seen)
    return f"listed after {seconds(took)}", took < 6


@probe("durable-same-payload", "DURABLE_FUNCTION", cost=DURABLE)
def durable_same_payload(live):
    first = durable(live, "-b")
    running = durable(live, "-b") == first
    status = durable_ended(live, first)
    ended = durable(live, "-b") == first
    return f"running: {'the same' if running else 'another'}, {status}: {'the same' if ended else 'another'}", \
        running and ended


@probe("durable-other-payload", "DURABLE_FUNCTION", cost=DURABLE)
def durable_other_payload(live):
    durable(live, "-c")
    name, _, qualifier = live.env("DURABLE_FUNCTION").partition(":")
    code = live.refusal("lambda", "Invoke", FunctionName=name, Qualifier=qualifier, InvocationType="Event",
                        DurableExecutionName=live.name("-c"), Payload=b'{"live": "other"}')
    return f"another payload: {code or 'accepted'}", code == "DurableExecutionAlreadyStartedException"


@probe("durable-stop-ended", "DURABLE_FUNCTION", cost=DURABLE)
def durable_stop_ended(live):
    arn = durable(live, "-d")
    before = durable_ended(live, arn)
    code = live.refusal("lambda", "StopDurableExecution", DurableExecutionArn=arn)
    after = durable_ended(live, arn)
    return f"{before} stays {after}, {code or 'accepted'}", before == after


# --- MWAA ------------------------------------------------------------------------------------------------------------

DAG = "runs of the DAG, which are deleted at the end"
MWAA = ("MWAA_ENVIRONMENT", "MWAA_DAG")


def airflow(live, method, path, **more):
    return live("mwaa", "InvokeRestApi", Name=live.env("MWAA_ENVIRONMENT"), Method=method, Path=path,
                **more).get("RestApiResponse")


def runs(live, suffix=""):
    return f"/dags/{live.env('MWAA_DAG')}/dagRuns{suffix}"


def dag_run(live):
    if not hasattr(live, "dag_run"):
        # Airflow 3 wants the date to be there, Airflow 2 does not take null.
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        live.dag_body = {"dag_run_id": live.nonce, "conf": {"live": live.nonce}, "logical_date": now}
        airflow(live, "POST", runs(live), Body=live.dag_body)
        live.dag_run = live.nonce
        live.afterwards(live.nonce, lambda: airflow(live, "DELETE", runs(live, f"/{live.nonce}")))
    return live.dag_run


@probe("dag-list-lag", *MWAA, cost=DAG)
def dag_list_lag(live):
    run = dag_run(live)
    query = {"order_by": "-start_date", "limit": 100}
    found = lambda: [one["dag_run_id"] for one in airflow(  # noqa: E731
        live, "GET", runs(live), QueryParameters=query)["dag_runs"]]
    _, took = live.until(found, lambda seen: run in seen)
    return f"listed after {seconds(took)}", took < 6


@probe("dag-run-conflict", *MWAA)
def dag_run_conflict(live):
    dag_run(live)
    code = status = None
    try:
        airflow(live, "POST", runs(live), Body=live.dag_body)
    except live.clients["mwaa"].exceptions.ClientError as error:
        code, status = error.response["Error"]["Code"], error.response.get("RestApiStatusCode")
    return f"the same run id: {code} with status {status}", (code, status) == ("RestApiClientException", 409)


@probe("dag-end-overwritten", *MWAA)
def dag_end_overwritten(live):
    """Why a DAG run is described before it is stopped, and left alone where it has ended."""
    path = runs(live, f"/{dag_run(live)}")
    state = lambda: airflow(live, "GET", path)["state"]  # noqa: E731
    before, _ = live.until(state, lambda seen: seen in ("success", "failed"))
    other = "failed" if before == "success" else "success"
    airflow(live, "PATCH", path, Body={"state": other})
    after = state()
    return f"PATCH to {other}: {before} becomes {after}", after == other


@probe("mwaa-path-length", *MWAA)
def mwaa_path_length(live):
    """The model allows 64 characters; real run ids are longer."""
    path = runs(live, "/" + live.name("-").ljust(80, "x"))
    code = live.refusal("mwaa", "InvokeRestApi", Name=live.env("MWAA_ENVIRONMENT"), Method="GET", Path=path)
    # 404 of Airflow arrives as RestApiClientException: the path went through.
    return f"{len(path)} characters: {code}", True


# --- Step Functions --------------------------------------------------------------------------------------------------

EXECUTION = "executions of the state machine with the input {\"live\": NONCE}, stopped at once"


def execution(live):
    if not hasattr(live, "execution"):
        live.execution_input = json.dumps({"live": live.nonce})
        live.execution_request = {"stateMachineArn": live.env("STATE_MACHINE"), "name": live.name()}
        started = live("stepfunctions", "StartExecution", input=live.execution_input, **live.execution_request)
        live.execution, live.execution_started = started["executionArn"], started["startDate"]
        live.afterwards(live.execution, lambda: live("stepfunctions", "StopExecution", executionArn=live.execution))
    return live.execution


def start_again(live, text):
    try:
        again = live("stepfunctions", "StartExecution", input=text, **live.execution_request)
    except live.clients["stepfunctions"].exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    same = (again["executionArn"], again["startDate"]) == (live.execution, live.execution_started)
    return "the same execution" if same else "another execution"


def execution_status(live):
    return live("stepfunctions", "DescribeExecution", executionArn=live.execution)["status"]


@probe("execution-describe-lag", "STATE_MACHINE", cost=EXECUTION)
def execution_describe_lag(live):
    arn = execution(live)
    seen = lambda: live.refusal("stepfunctions", "DescribeExecution", executionArn=arn)  # noqa: E731
    _, took = live.until(seen, lambda code: code is None)
    return f"described after {seconds(took)}", took < 6


@probe("execution-same-input", "STATE_MACHINE")
def execution_same_input(live):
    execution(live)
    told = start_again(live, live.execution_input)
    return f"the same name and input while it is {execution_status(live)}: {told}", told == "the same execution"


@probe("execution-other-spelling", "STATE_MACHINE")
def execution_other_spelling(live):
    execution(live)
    told = start_again(live, live.execution_input.replace(": ", ":"))
    # Either will do: the runner sends the same text each time.
    return f"the same JSON in other text: {told}", told in ("the same execution", "ExecutionAlreadyExists")


@probe("execution-other-input", "STATE_MACHINE")
def execution_other_input(live):
    execution(live)
    told = start_again(live, '{"live": "other"}')
    return f"another input: {told}", told == "ExecutionAlreadyExists"


@probe("execution-closed", "STATE_MACHINE")
def execution_closed(live):
    live("stepfunctions", "StopExecution", executionArn=execution(live))
    live.until(lambda: execution_status(live), lambda status: status != "RUNNING")
    told = start_again(live, live.execution_input)
    return f"the same name and input of a closed execution: {told}", told == "ExecutionAlreadyExists"


@probe("execution-stop-ended", "STATE_MACHINE")
def execution_stop_ended(live):
    arn, before = execution(live), execution_status(live)
    code = live.refusal("stepfunctions", "StopExecution", executionArn=arn)
    after = execution_status(live)
    return f"{before} stays {after}, {code or 'accepted'}", before == after


@probe("execution-redrive-lag", "STATE_MACHINE", cost=EXECUTION)
def execution_redrive_lag(live):
    """Why the id of an execution carries the redrive count."""
    arn = execution(live)
    live("stepfunctions", "RedriveExecution", executionArn=arn)
    count = lambda: live("stepfunctions", "DescribeExecution", executionArn=arn)["redriveCount"]  # noqa: E731
    _, took = live.until(count, lambda seen: seen == 1)
    return f"redriveCount 1 after {seconds(took)}", True

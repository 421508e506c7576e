"""Probes of STS, Glue, SageMaker, the Redshift Data API and S3."""

import json

from probe import probe, seconds


# --- STS -------------------------------------------------------------------------------------------------------------

@probe("sts-chain-hour", "ROLE", cost="none")
def chain_hour(live):
    """A role assumed by a role may have a session of an hour and no more."""
    if ":assumed-role/" not in live.caller:
        raise LookupError("the profile has to lead to a role: this is about a role that is assumed by another")
    code = live.refusal("sts", "AssumeRole", RoleArn=live.env("ROLE"), RoleSessionName=live.name(), DurationSeconds=3601)
    return f"3601 s: {code or 'accepted'}", code == "ValidationError"


# --- Glue ------------------------------------------------------------------------------------------------------------

GLUE_RUN = "one run of the Glue job, stopped at once: its DPUs for the minimum that is billed, usually a minute"


def glue_run(live):
    """The run of these probes: started once."""
    if not hasattr(live, "glue_run"):
        job = live.env("GLUE_JOB")
        live.glue_sent = {"--live-nonce": live.nonce}
        live.glue_run = live("glue", "StartJobRun", JobName=job, Arguments=live.glue_sent)["JobRunId"]
        live.afterwards(live.glue_run, lambda: glue_stop(live, live.glue_run))
    return {"JobName": live.env("GLUE_JOB")}, live.glue_run


def glue_stop(live, run):
    return live("glue", "BatchStopJobRun", JobName=live.env("GLUE_JOB"), JobRunIds=[run])


@probe("glue-list-lag", "GLUE_JOB", cost=GLUE_RUN)
def glue_list_lag(live):
    job, run = glue_run(live)
    ids = lambda: [one["Id"] for one in live("glue", "GetJobRuns", MaxResults=200, **job)["JobRuns"]]  # noqa: E731
    _, took = live.until(ids, lambda seen: run in seen)
    # The search after an unclear response looks at 0, 2 and 6 seconds.
    return f"in GetJobRuns after {seconds(took)}", took < 6


@probe("glue-newest-first", "GLUE_JOB")
def glue_newest_first(live):
    job, _ = glue_run(live)
    started = [one["StartedOn"] for one in live("glue", "GetJobRuns", MaxResults=200, **job)["JobRuns"]]
    return f"{len(started)} runs", started == sorted(started, reverse=True)


@probe("glue-arguments-echo", "GLUE_JOB")
def glue_arguments_echo(live):
    """No promise hangs on it: the fingerprint is in an argument of our own. Only that argument has to be shown."""
    job, run = glue_run(live)
    default = live("glue", "GetJob", **job)["Job"].get("DefaultArguments", {})
    shown = live("glue", "GetJobRun", RunId=run, **job)["JobRun"].get("Arguments", {})
    kind = "other arguments than were sent"
    if shown == live.glue_sent:
        kind = "the arguments as sent" + ("" if default else " (the job has no default arguments)")
    elif shown == {**default, **live.glue_sent}:
        kind = "the arguments sent, merged with the job's default arguments"
    return f"GetJobRun shows {kind}", shown.get("--live-nonce") == live.nonce


@probe("glue-defaults-echo", "GLUE_JOB")
def glue_defaults_echo(live):
    job, run = glue_run(live)
    shown = live("glue", "GetJobRun", RunId=run, **job)["JobRun"]
    members = ("WorkerType", "NumberOfWorkers", "MaxCapacity", "Timeout", "ExecutionClass")
    return f"shown without being sent: {', '.join(name for name in members if name in shown) or 'none'}", True


@probe("glue-stop-ended", "GLUE_JOB")
def glue_stop_ended(live):
    job, run = glue_run(live)
    glue_stop(live, run)
    state = lambda: live("glue", "GetJobRun", RunId=run, **job)["JobRun"]["JobRunState"]  # noqa: E731
    live.until(state, lambda seen: seen in ("STOPPED", "FAILED", "SUCCEEDED", "TIMEOUT", "ERROR"))
    before = state()
    errors = [error["ErrorDetail"]["ErrorCode"] for error in glue_stop(live, run).get("Errors", [])]
    after = state()
    return f"{before} stays {after}, errors {errors}", before == after


@probe("glue-retry-arguments", "GLUE_JOB", cost=GLUE_RUN)
def glue_retry_arguments(live):
    """Whether a retry by JobRunId inherits the arguments."""
    job, run = glue_run(live)
    again = live("glue", "StartJobRun", JobRunId=run, **job)["JobRunId"]
    live.afterwards(again, lambda: glue_stop(live, again))
    shown = live("glue", "GetJobRun", RunId=again, **job)["JobRun"].get("Arguments", {})
    inherits = "--live-nonce" in shown
    # The programs send the arguments again, so either will do.
    return f"a retry {'has' if inherits else 'does not have'} the arguments of the run", True


# --- SageMaker -------------------------------------------------------------------------------------------------------

TRAINING = "one training job, stopped at once: its instances until they are released, usually under two minutes"


def training_job(live):
    if not hasattr(live, "training_job"):
        spec = json.loads(open(live.env("TRAINING_SPEC"), encoding="utf-8").read())
        live.training_spec = spec | {"TrainingJobName": live.name()}
        live("sagemaker", "CreateTrainingJob", **live.training_spec)
        live.training_job = {"TrainingJobName": live.name()}
        live.afterwards(live.name(), lambda: live("sagemaker", "StopTrainingJob", **live.training_job))
    return live.training_job


@probe("training-describe-lag", "TRAINING_SPEC", cost=TRAINING)
def training_describe_lag(live):
    name = training_job(live)
    _, took = live.until(lambda: live.refusal("sagemaker", "DescribeTrainingJob", **name), lambda code: code is None)
    return f"described after {seconds(took)}", took < 6


@probe("training-name-taken", "TRAINING_SPEC")
def training_name_taken(live):
    training_job(live)
    code = live.refusal("sagemaker", "CreateTrainingJob", **live.training_spec)
    return f"the same name again: {code or 'accepted'}", code == "ResourceInUse"


@probe("training-stop-ended", "TRAINING_SPEC")
def training_stop_ended(live):
    name = training_job(live)
    live("sagemaker", "StopTrainingJob", **name)
    status = lambda: live("sagemaker", "DescribeTrainingJob", **name)["TrainingJobStatus"]  # noqa: E731
    before, _ = live.until(status, lambda seen: seen in ("Stopped", "Failed", "Completed"))
    code = live.refusal("sagemaker", "StopTrainingJob", **name)
    return f"{before} stays {status()}, {code or 'accepted'}", before == status()


# --- Redshift --------------------------------------------------------------------------------------------------------

REDSHIFT = "statements `select 1`: the time of the cluster or workgroup, which may resume for them"


def execute(live, sql="select 1", **more):
    on = {"WorkgroupName": live.env("REDSHIFT_WORKGROUP"), "Database": live.env("REDSHIFT_DATABASE")}
    return live("redshift-data", "ExecuteStatement", Sql=sql, **on | more)["Id"]


def statement_ended(live, statement):
    describe = lambda: live("redshift-data", "DescribeStatement", Id=statement)["Status"]  # noqa: E731
    return live.until(describe, lambda status: status in ("FINISHED", "FAILED", "ABORTED"))[0]


RS = ("REDSHIFT_WORKGROUP", "REDSHIFT_DATABASE")


@probe("redshift-list-lag", *RS, cost=REDSHIFT)
def redshift_list_lag(live):
    # The longest name there may be: the fingerprint stands in it.
    name = live.name("-").ljust(2048, "x")
    statement = execute(live, StatementName=name)

    def listed():
        found = live("redshift-data", "ListStatements", StatementName=live.name("-"), Status="ALL")["Statements"]
        return [one.get("StatementName") for one in found if one["Id"] == statement]

    names, took = live.until(listed, bool)
    return f"in ListStatements after {seconds(took)}, name of {len(names[0])} characters", took < 6 and names == [name]


@probe("redshift-token-same", *RS, cost=REDSHIFT)
def redshift_token_same(live):
    first = execute(live, ClientToken=live.name("-t"))
    statement_ended(live, first)
    second = execute(live, ClientToken=live.name("-t"))
    return f"the same token after the end: {'the same' if first == second else 'another'} statement", first == second


@probe("redshift-token-other-sql", *RS, cost=REDSHIFT)
def redshift_token_other_sql(live):
    first = execute(live, ClientToken=live.name("-o"))
    on = {"WorkgroupName": live.env("REDSHIFT_WORKGROUP"), "Database": live.env("REDSHIFT_DATABASE")}
    more = {"Sql": "select 2", "ClientToken": live.name("-o")}
    code = live.refusal("redshift-data", "ExecuteStatement", **on | more)
    if code is None:
        same = execute(live, "select 2", ClientToken=live.name("-o")) == first
        return f"accepted, {'the same' if same else 'another'} statement", same
    return f"refused: {code}", True


@probe("redshift-token-failed", *RS, cost=REDSHIFT)
def redshift_token_failed(live):
    """Why the token of a new attempt hangs on the id of the failed statement."""
    first = execute(live, "select nothing_at_all", ClientToken=live.name("-f"))
    status = statement_ended(live, first)
    second = execute(live, "select nothing_at_all", ClientToken=live.name("-f"))
    same = first == second
    return f"the token of a {status} statement returns {'it' if same else 'a new one'}", same


@probe("redshift-cancel-ended", *RS, cost=REDSHIFT)
def redshift_cancel_ended(live):
    statement = execute(live)
    before = statement_ended(live, statement)
    code = live.refusal("redshift-data", "CancelStatement", Id=statement)
    after = statement_ended(live, statement)
    return f"{before} stays {after}, {code or 'accepted'}", before == after


# --- S3 --------------------------------------------------------------------------------------------------------------

@probe("s3-if-none-match", "BUCKET", cost="one object of a few bytes, deleted at the end")
def s3_if_none_match(live):
    at = {"Bucket": live.env("BUCKET"), "Key": live.name()}
    live("s3", "PutObject", Body=b"first", IfNoneMatch="*", **at)
    live.afterwards(live.name(), lambda: live("s3", "DeleteObject", **at))
    code = live.refusal("s3", "PutObject", Body=b"second", IfNoneMatch="*", **at)
    return f"a second claim: {code or 'accepted'}", code in ("PreconditionFailed", "ConditionalRequestConflict")

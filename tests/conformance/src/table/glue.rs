//! Rows of glue-trigger.

use testkit::{Sandbox, Worlds};

use super::{KEY, OFTEN, Part, READ, Row, WAY};

fn glue_world() -> String {
    let job = |name: &str, end: &str| {
        format!(
            "[[glue.jobs]]\naccount = '222222222222'\nname = '{name}'\n[[glue.jobs.courses]]\n\
             steps = [{{ state = 'RUNNING' }}{end}]\nlogs = [{{ text = 'a line' }}]\n"
        )
    };
    [Worlds::TWO_ACCOUNTS, &job("etl", ", { state = 'SUCCEEDED', after = '1s' }"), &job("endless", "")]
        .concat()
}

fn truth(sandbox: &Sandbox, job: &str) -> Option<i32> {
    match sandbox.runs(job).first()?.state.as_str() {
        "SUCCEEDED" => Some(0),
        "FAILED" | "TIMEOUT" => Some(10),
        "STOPPED" => Some(11),
        _ => None,
    }
}

fn ids(sandbox: &Sandbox, job: &str) -> Vec<String> {
    sandbox.runs(job).into_iter().map(|run| run.id).collect()
}

pub(super) fn rows() -> Vec<Row> {
    let glue = Row { binary: "glue-trigger", world: glue_world, ..READ };
    vec![
        Row {
            name: "glue-trigger",
            args: &["--job-name=etl", KEY, OFTEN, "--logs"],
            work: |sandbox| sandbox.started("etl"),
            works: 1,
            result: "\"state\":\"SUCCEEDED\"",
            truth: |sandbox| truth(sandbox, "etl"),
            ids: |sandbox| ids(sandbox, "etl"),
            otherwise: &[
                ("'SUCCEEDED'", "'FAILED'", 10),
                ("'SUCCEEDED'", "'TIMEOUT'", 10),
                ("'SUCCEEDED'", "'STOPPED'", 11),
            ],
            way: WAY,
            calls: &[
                ("glue:GetJobRuns", Part::Read),
                ("glue:StartJobRun", Part::Start),
                ("glue:GetJobRun", Part::Wait),
                ("logs:GetLogEvents", Part::Aside),
            ],
            ..glue
        },
        Row {
            name: "glue-trigger-stop",
            args: &["--job-name=endless", OFTEN, "--on-terminate=cancel"],
            signal: Some(("glue", "GetJobRun")),
            end: 143,
            work: |sandbox| sandbox.started("endless"),
            works: 1,
            truth: |sandbox| truth(sandbox, "endless"),
            ids: |sandbox| ids(sandbox, "endless"),
            calls: &[("glue:BatchStopJobRun", Part::Stop)],
            ..glue
        },
        Row {
            name: "glue-trigger-check",
            args: &["--job-name=etl", "--check"],
            calls: &[("glue:GetJobRun", Part::Read)],
            ..glue
        },
    ]
}

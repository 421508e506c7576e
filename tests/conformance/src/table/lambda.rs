//! Rows of lambda-invoke.

use testkit::{Sandbox, Worlds};

use super::{KEY, OFTEN, Part, READ, Row, WAY};

fn lambda_world() -> String {
    format!(
        "{}\n[[lambda.functions]]\naccount = '222222222222'\nname = 'f'\ncourses = [{{ answer = {{ json = '1' }}, chunks = ['1'] }}]\n\
         [[lambda.functions]]\naccount = '222222222222'\nname = 'd'\nversions = ['1']\ndurable = true\n\
         courses = [{{ answer = {{ json = '1' }} }}]\n\
         [[lambda.functions]]\naccount = '222222222222'\nname = 'endless'\nversions = ['1']\ndurable = true\n\
         courses = [{{ after = '1h' }}]\n",
        Worlds::TWO_ACCOUNTS
    )
}

/// Its answer is an error.
const FAILS: &[(&str, &str, i32)] = &[(
    "answer = { json = '1' }, chunks = ['1']",
    "answer = { error = { type = 'E', message = 'boom' } }",
    10,
)];
const FAILS_DURABLY: &[(&str, &str, i32)] =
    &[("answer = { json = '1' } }]", "answer = { error = { type = 'E', message = 'boom' } } }]", 10)];

fn truth(sandbox: &Sandbox, function: &str) -> Option<i32> {
    match sandbox.executions(function).first()?.1.as_str() {
        "SUCCEEDED" => Some(0),
        "FAILED" | "TIMED_OUT" => Some(10),
        "STOPPED" => Some(11),
        _ => None,
    }
}

fn ids(sandbox: &Sandbox, function: &str) -> Vec<String> {
    sandbox.executions(function).into_iter().map(|(arn, _)| arn).collect()
}

pub(super) fn rows() -> Vec<Row> {
    let lambda = Row { binary: "lambda-invoke", world: lambda_world, ..READ };
    let once = Row {
        work: |sandbox| sandbox.invoked("f"),
        works: 1,
        result: "1",
        formless: true,
        otherwise: FAILS,
        ..lambda
    };
    vec![
        Row {
            name: "lambda-invoke",
            args: &["--function-name=f", "--payload={}"],
            way: WAY,
            calls: &[("lambda:Invoke", Part::Blind)],
            ..once
        },
        Row {
            name: "lambda-invoke-stream",
            args: &["--function-name=f", "--payload={}", "--stream"],
            calls: &[("lambda:InvokeWithResponseStream", Part::Blind)],
            ..once
        },
        Row {
            name: "lambda-invoke-durable",
            args: &["--function-name=d:1", "--payload={}", KEY],
            work: |sandbox| sandbox.invoked("d"),
            works: 1,
            result: "1",
            formless: true,
            truth: |sandbox| truth(sandbox, "d"),
            ids: |sandbox| ids(sandbox, "d"),
            otherwise: FAILS_DURABLY,
            calls: &[("lambda:Invoke", Part::Start)],
            ..lambda
        },
        Row {
            name: "lambda-invoke-wait",
            args: &["--function-name=d:1", "--payload={}", "--invocation-type=Event", KEY, OFTEN],
            work: |sandbox| sandbox.invoked("d"),
            works: 1,
            result: "1",
            formless: true,
            truth: |sandbox| truth(sandbox, "d"),
            ids: |sandbox| ids(sandbox, "d"),
            otherwise: FAILS_DURABLY,
            calls: &[("lambda:GetDurableExecution", Part::Wait)],
            ..lambda
        },
        Row {
            name: "lambda-invoke-stop",
            args: &["--function-name=endless:1", KEY, "--on-terminate=cancel"],
            signal: Some(("lambda", "Invoke")),
            end: 143,
            work: |sandbox| sandbox.invoked("endless"),
            works: 1,
            truth: |sandbox| truth(sandbox, "endless"),
            ids: |sandbox| ids(sandbox, "endless"),
            calls: &[
                ("lambda:ListDurableExecutionsByFunction", Part::Stop),
                ("lambda:StopDurableExecution", Part::Stop),
            ],
            ..lambda
        },
        Row {
            name: "lambda-invoke-check",
            args: &["--function-name=f", "--check"],
            calls: &[("lambda:Invoke", Part::Read)],
            ..lambda
        },
    ]
}

use serde_json::json;

use super::*;

const SECOND_LONG: Duration = Duration::from_secs(1);

/// The documented world with other settings of its first job.
fn with_job(settings: &str) -> Bench {
    let job = "[[glue.jobs]]\naccount = \"222222222222\"\nname = \"nightly-etl\"\n";
    assert!(TWO_ACCOUNTS.contains(job));
    bench(&TWO_ACCOUNTS.replacen(job, &format!("{job}{settings}\n"), 1))
}

fn start(bench: &Bench, keys: &Keys, extra: Value) -> Result<String, String> {
    let mut parameters = extra;
    parameters["JobName"] = json!("nightly-etl");
    let (status, answer) = bench.json(keys, "AWSGlue.StartJobRun", &parameters);
    match answer["JobRunId"].as_str() {
        Some(id) if status == 200 => Ok(id.to_owned()),
        _ => Err(format!(
            "{}: {}",
            answer["__type"].as_str().unwrap(),
            answer["Message"].as_str().unwrap_or_default()
        )),
    }
}

fn run(bench: &Bench, keys: &Keys, id: &str) -> Value {
    let (_, answer) =
        bench.json(keys, "AWSGlue.GetJobRun", &json!({ "JobName": "nightly-etl", "RunId": id }));
    answer["JobRun"].clone()
}

#[test]
fn a_run_from_start_to_end() {
    let bench = two_accounts();
    let keys = bench.second();
    let id = start(&bench, &keys, json!({ "Arguments": { "--day": "1" }, "Timeout": 5 })).unwrap();
    let begun = run(&bench, &keys, &id);
    assert_eq!(begun["JobRunState"], "STARTING");
    assert_eq!(begun["Arguments"], json!({ "--day": "1", "--job-language": "python" }));
    assert_eq!((begun["Timeout"].as_i64(), begun["CompletedOn"].as_f64()), (Some(5), None));
    bench.advance(SECOND_LONG * 4);
    let ended = run(&bench, &keys, &id);
    assert_eq!(
        (ended["JobRunState"].as_str(), ended["ExecutionTime"].as_i64()),
        (Some("SUCCEEDED"), Some(2))
    );
    assert_eq!(ended["DPUSeconds"], 4.0);
    assert_eq!(bench.cloud.runs("nightly-etl").unwrap()[0].arguments["--day"], "1");
}

#[test]
fn names_rights_and_places() {
    let bench = two_accounts();
    let (first, second) = (bench.first(), bench.second());
    let job = json!({ "JobName": "nightly-etl" });
    let (status, answer) = bench.json(&first, "AWSGlue.StartJobRun", &job);
    assert_eq!(status, 400);
    assert_eq!(
        answer["Message"],
        "User: arn:aws:sts::111111111111:assumed-role/cats-glue/pod is not authorized to perform: glue:StartJobRun on \
         resource: arn:aws:glue:us-east-2:111111111111:job/nightly-etl because no identity-based policy allows the \
         glue:StartJobRun action"
    );
    assert_eq!(answer["__type"], "AccessDeniedException");
    let (_, answer) = bench.json(&second, "AWSGlue.StartJobRun", &json!({ "JobName": "nightly" }));
    assert_eq!(answer["Message"], "Failed to start job run due to missing metadata");
    let (_, answer) =
        bench.json(&second, "AWSGlue.GetJobRun", &json!({ "JobName": "nightly-etl", "RunId": "jr_0" }));
    assert_eq!(answer["__type"], "EntityNotFoundException");
    let (status, answer) = bench.json(&second, "AWSGlue.ListJobs", &json!({}));
    assert_eq!((status, answer["__type"].as_str()), (400, Some("UnknownOperationException")));
    let (status, answer) = bench.json(&second, "AWSGlue.GetJob", &job);
    assert_eq!((status, answer["Job"]["ExecutionProperty"]["MaxConcurrentRuns"].as_i64()), (200, Some(1)));
    assert_eq!(bench.cloud.runs("nightly-etl").unwrap().len(), 0);
}

#[test]
fn places_are_few_and_freed_late() {
    let bench = with_job("slot_lag = '2s'");
    let keys = bench.second();
    start(&bench, &keys, json!({})).unwrap();
    let busy = "ConcurrentRunsExceededException: Concurrent runs exceeded for nightly-etl";
    assert_eq!(start(&bench, &keys, json!({})).unwrap_err(), busy);
    bench.advance(SECOND_LONG * 4);
    assert_eq!(start(&bench, &keys, json!({})).unwrap_err(), busy);
    bench.advance(SECOND_LONG);
    start(&bench, &keys, json!({})).unwrap();

    let queued = start(&bench, &keys, json!({ "JobRunQueuingEnabled": true })).unwrap();
    assert_eq!(run(&bench, &keys, &queued)["JobRunState"], "WAITING");
    bench.advance(SECOND_LONG * 6);
    assert_eq!(run(&bench, &keys, &queued)["JobRunState"], "STARTING");
    bench.advance(SECOND_LONG * 3);
    assert_eq!(run(&bench, &keys, &queued)["JobRunState"], "SUCCEEDED");
}

#[test]
fn an_account_has_a_limit() {
    let bench = with_job("max_concurrent_runs = 5");
    let keys = bench.second();
    bench.cloud.glue().settings.account_run_limit = Some(1);
    start(&bench, &keys, json!({})).unwrap();
    assert!(start(&bench, &keys, json!({})).unwrap_err().starts_with("ResourceNumberLimitExceededException"));
}

#[test]
fn runs_are_stopped() {
    let bench = two_accounts();
    let keys = bench.second();
    let id = start(&bench, &keys, json!({})).unwrap();
    let stop = |ids: Value| {
        bench.json(&keys, "AWSGlue.BatchStopJobRun", &json!({ "JobName": "nightly-etl", "JobRunIds": ids }))
    };
    let (status, answer) = stop(json!([id, "jr_unknown"]));
    assert_eq!((status, &answer["SuccessfulSubmissions"][0]["JobRunId"]), (200, &json!(id)));
    assert_eq!(answer["Errors"][0]["ErrorDetail"]["ErrorCode"], "EntityNotFoundException");
    assert_eq!(run(&bench, &keys, &id)["JobRunState"], "STOPPING");
    bench.advance(SECOND_LONG);
    assert_eq!(run(&bench, &keys, &id)["JobRunState"], "STOPPED");
    let (_, answer) = stop(json!([id]));
    assert_eq!(answer["Errors"][0]["ErrorDetail"]["ErrorCode"], "InvalidInputException");
    for ids in [json!([]), json!(vec!["jr"; 26]), Value::Null] {
        assert_eq!(stop(ids).1["__type"], "ValidationException");
    }
}

#[test]
fn a_run_is_done_again() {
    let bench = two_accounts();
    let keys = bench.second();
    let id = start(&bench, &keys, json!({ "Arguments": { "--day": "1" } })).unwrap();
    let again = |id: &str| start(&bench, &keys, json!({ "JobRunId": id }));
    assert!(again(&id).unwrap_err().starts_with("ConcurrentRunsExceededException"));
    bench.advance(SECOND_LONG * 4);
    assert!(again("jr_unknown").unwrap_err().starts_with("EntityNotFoundException"));
    let second = again(&id).unwrap();
    assert_eq!(second, format!("{id}_attempt_1"));
    let described = run(&bench, &keys, &second);
    assert_eq!((described["Attempt"].as_i64(), &described["PreviousRunId"]), (Some(1), &json!(id)));
    assert_eq!(described["Arguments"]["--day"], "1");
}

#[test]
fn lists_are_newest_first_and_paged() {
    let bench = with_job("max_concurrent_runs = 9");
    bench.cloud.glue().settings.page_size = 2;
    let keys = bench.second();
    let mut started: Vec<String> = (0..5).map(|_| start(&bench, &keys, json!({})).unwrap()).collect();
    started.reverse();
    let (mut listed, mut pages, mut token) = (Vec::new(), 0, json!(""));
    while !token.is_null() {
        let parameters = json!({ "JobName": "nightly-etl", "NextToken": token, "MaxResults": 200 });
        let (_, answer) = bench.json(&keys, "AWSGlue.GetJobRuns", &parameters);
        let ids =
            answer["JobRuns"].as_array().unwrap().iter().map(|run| run["Id"].as_str().unwrap().to_owned());
        listed.extend(ids);
        pages += 1;
        token = answer["NextToken"].clone();
    }
    assert_eq!((listed, pages), (started, 3));
    for (parameters, code) in [
        (json!({ "JobName": "nightly-etl", "MaxResults": 201 }), "ValidationException"),
        (json!({ "JobName": "nightly-etl", "NextToken": "x" }), "InvalidInputException"),
        (json!({}), "ValidationException"),
    ] {
        assert_eq!(bench.json(&keys, "AWSGlue.GetJobRuns", &parameters).1["__type"], code, "{parameters}");
    }
    bench.cloud.glue().settings.list_lag = SECOND_LONG;
    start(&bench, &keys, json!({})).unwrap();
    let count = || {
        bench.json(&keys, "AWSGlue.GetJobRuns", &json!({ "JobName": "nightly-etl" })).1["JobRuns"][0]["Id"]
            .clone()
    };
    let before = count();
    bench.advance(SECOND_LONG);
    assert_ne!(before, count());
}

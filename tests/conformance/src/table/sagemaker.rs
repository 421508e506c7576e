//! Rows of sagemaker-invoke.

use testkit::{Sandbox, Site, Worlds};

use super::{KEY, OFTEN, Part, READ, Row, WAY};

fn sagemaker_world() -> String {
    format!(
        "{}\n[[sagemaker.endpoints]]\naccount = '222222222222'\nname = 'e'\ncourses = [{{ body = '1', chunks = ['1'] }}]\n\
         [[sagemaker.endpoints]]\naccount = '222222222222'\nname = 'queue'\nasync = {{ output = 's3://team-data/async' }}\n\
         courses = [{{ body = '1', after = '300ms' }}]\n\
         [[sagemaker.training_courses]]\nsteps = [{{ secondary = 'Training' }}, \
         {{ status = 'Completed', secondary = 'Completed', after = '1s' }}]\nlogs = [{{ text = 'epoch {{n}}' }}]\n",
        Worlds::TWO_ACCOUNTS
    )
}

fn endless_training() -> String {
    format!(
        "{}\n[[sagemaker.training_courses]]\nsteps = [{{ secondary = 'Training' }}]\n",
        Worlds::TWO_ACCOUNTS
    )
}

/// A specification in the site's folder.
fn with_spec(site: Site) -> Site {
    site.write(
        "spec.json",
        r#"{"TrainingJobName": "churn", "RoleArn": "arn:aws:iam::222222222222:role/sagemaker-trainer",
            "OutputDataConfig": {"S3OutputPath": "s3://team-data/models"},
            "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600}}"#,
    );
    site
}

fn truth(sandbox: &Sandbox) -> Option<i32> {
    match sandbox.training_jobs().first()?.status.as_str() {
        "Completed" => Some(0),
        "Failed" => Some(10),
        "Stopped" => Some(11),
        _ => None,
    }
}

pub(super) fn rows() -> Vec<Row> {
    let sagemaker = Row { binary: "sagemaker-invoke", world: sagemaker_world, ..READ };
    let once =
        Row { work: |sandbox| sandbox.inferred("e"), works: 1, result: "1", formless: true, ..sagemaker };
    let train = Row {
        place: with_spec,
        work: |sandbox| sandbox.training_jobs().len(),
        works: 1,
        result: "\"status\":\"Completed\"",
        truth,
        ids: |sandbox| sandbox.training_jobs().into_iter().map(|job| job.name).collect(),
        otherwise: &[("'Completed'", "'Failed'", 10), ("'Completed'", "'Stopped'", 11)],
        ..sagemaker
    };
    vec![
        Row {
            name: "sagemaker-invoke-endpoint",
            args: &["endpoint", "--endpoint-name=e", "--body={}"],
            way: WAY,
            calls: &[("sagemaker-runtime:InvokeEndpoint", Part::Blind)],
            ..once
        },
        Row {
            name: "sagemaker-invoke-stream",
            args: &["endpoint", "--endpoint-name=e", "--body={}", "--stream"],
            calls: &[("sagemaker-runtime:InvokeEndpointWithResponseStream", Part::Blind)],
            ..once
        },
        Row {
            name: "sagemaker-invoke-async",
            args: &[
                "async",
                "--endpoint-name=queue",
                "--body={}",
                OFTEN,
                KEY,
                "--claim-location=s3://team-data/claims/",
            ],
            work: |sandbox| sandbox.inferred("queue"),
            works: 1,
            result: "1",
            formless: true,
            calls: &[
                ("s3:PutObject", Part::Start),
                ("sagemaker-runtime:InvokeEndpointAsync", Part::Start),
                ("s3:GetObject", Part::Wait),
            ],
            ..sagemaker
        },
        Row {
            name: "sagemaker-invoke-train",
            args: &["train", "--spec-file=spec.json", OFTEN, KEY, "--logs"],
            calls: &[
                ("sagemaker:CreateTrainingJob", Part::Start),
                ("sagemaker:DescribeTrainingJob", Part::Wait),
                ("logs:DescribeLogStreams", Part::Aside),
                ("logs:GetLogEvents", Part::Aside),
            ],
            ..train
        },
        Row {
            name: "sagemaker-invoke-stop",
            args: &["train", "--spec-file=spec.json", OFTEN, "--on-terminate=cancel"],
            world: endless_training,
            otherwise: &[],
            signal: Some(("sagemaker", "DescribeTrainingJob")),
            end: 143,
            calls: &[("sagemaker:StopTrainingJob", Part::Stop)],
            ..train
        },
    ]
}

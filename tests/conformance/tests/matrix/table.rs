//! Which command of which binary reaches an operation, and what its answer is for.

use testkit::{FaultKind, Sandbox, Site, Worlds};

/// A service that is silent is given up on soon, and one that may be silent for long, as long as work takes, too.
pub(crate) const IMPATIENT: [&str; 2] = ["--read-timeout=700ms", "--timeout=12s"];

/// Operations that no binary calls.
pub(crate) const NOT_REACHED: &[(&str, &str)] = &[
    ("glue:GetJob", "a search for runs tells as well whether the job is there"),
    ("logs:FilterLogEvents", "a log is read stream by stream"),
    ("lambda:GetFunctionConfiguration", "a DryRun of Invoke tells as much, and needs no right of its own"),
    ("s3:HeadObject", "an object is read or written at once"),
    ("redshift-data:GetStatementResultV2", "results are asked for as JSON, whose types are kept"),
    ("redshift-data:ListSessions", "a session is named by its id"),
    ("secretsmanager:DescribeSecret", "a secret is read at once"),
    ("mwaa-web-server:Login", "a person's browser does"),
    ("mwaa-web-server:LoginPage", "a person's browser does"),
    ("mwaa-web-server:Page", "whatever else is asked of a web server"),
];

/// Exits of one call alone: row, operation, kind of fault (`*`: any), exit, and why.
pub(crate) const ALONE: &[(&str, &str, &str, i32, &str)] = &[
    (
        "lambda-invoke-durable",
        "lambda:Invoke",
        "*",
        80,
        "a name made of the key is no promise until Lambda shows an execution of it",
    ),
    (
        "sagemaker-invoke-async",
        "sagemaker-runtime:InvokeEndpointAsync",
        "*",
        80,
        "the claim says that a request was sent, and no call tells whether the queue has it",
    ),
    (
        "sagemaker-invoke-async",
        "s3:GetObject",
        "garbage",
        65,
        "an object of S3 has no form: what is no claim was written by somebody else",
    ),
];

/// What a call is for, which decides what may come of its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It is a step to the start of the work, or all of the command: it is tried again, then 75, and nothing was begun.
    Read,
    /// It begins the work, and may not be sent again blindly; a key, a token or a name settles what came of it.
    Start,
    /// The same, and nothing settles it: an answer that is lost is said to be.
    Blind,
    /// It looks at work that goes on: it is tried again, then 79.
    Wait,
    /// It stops the work when a signal has come. That is what was asked for, whether its answer comes or not.
    Stop,
    /// It may fail, and nothing comes of it.
    Aside,
}

impl Part {
    /// The exits that are right when a call of a command that would end with `end` is spoilt `once`, or for ever.
    pub(crate) fn allowed(self, end: i32, kind: &FaultKind, once: bool) -> Vec<i32> {
        match (self, kind) {
            (_, FaultKind::Slow(_)) | (Self::Aside, _) => vec![end],
            (Self::Stop, _) => vec![end],
            // Not every answer that cannot be read is asked for again; of a start that did nothing the user hears.
            (Self::Read, FaultKind::Garbage | FaultKind::Truncated)
            | (Self::Start | Self::Blind, FaultKind::Throttle)
                if once =>
            {
                vec![end, 75]
            }
            (Self::Read | Self::Wait, _) if once => vec![end],
            // The first of these looks may be for work of an earlier process, and the last for its result.
            (Self::Wait, _) => vec![75, 79],
            // An answer without a body that matters may have any.
            (Self::Read, FaultKind::Garbage) => vec![end, 75],
            (Self::Read, _) | (Self::Start | Self::Blind, FaultKind::Throttle) => vec![75],
            // Who waits for the answer to the start itself waits as long as for the work.
            (Self::Start, FaultKind::Hang | FaultKind::HangAfter | FaultKind::HangThenReset(_)) => {
                vec![end, 75, 79]
            }
            // A retry is safe: the next process looks first, or the service knows the request again.
            (Self::Start, _) => vec![end, 75],
            (Self::Blind, FaultKind::Status { .. }) => vec![75, 80],
            (Self::Blind, FaultKind::Garbage) => vec![end, 80],
            (Self::Blind, _) => vec![80],
        }
    }
}

/// A command.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) binary: &'static str,
    pub(crate) args: &'static [&'static str],
    /// What stands behind all options.
    pub(crate) after: &'static [&'static str],
    pub(crate) world: fn() -> String,
    pub(crate) place: fn(Site) -> Site,
    /// Its SQL is run.
    pub(crate) sql: bool,
    /// It prints what is a secret.
    pub(crate) secret_result: bool,
    /// It is told to end when it has made this call.
    pub(crate) signal: Option<(&'static str, &'static str)>,
    /// How it ends without a fault.
    pub(crate) end: i32,
    /// How often its work is really started, as the sandbox knows it.
    pub(crate) work: fn(&Sandbox) -> usize,
    /// How often it is to be.
    pub(crate) works: usize,
    /// The calls of the way, where this row is the one that has them.
    pub(crate) way: &'static [&'static str],
    pub(crate) calls: &'static [(&'static str, Part)],
}

impl Row {
    /// Whether the next process takes over what this one has begun.
    pub(crate) fn is_keyed(&self) -> bool {
        self.args.contains(&KEY)
    }

    pub(crate) fn calls(&self) -> Vec<(&'static str, Part)> {
        self.way.iter().map(|call| (*call, Part::Read)).chain(self.calls.iter().copied()).collect()
    }
}

/// A command that reads, in the documented pod.
const READ: Row = Row {
    name: "",
    binary: "",
    args: &[],
    after: &[],
    world: || Worlds::TWO_ACCOUNTS.to_owned(),
    place: std::convert::identity,
    sql: false,
    secret_result: false,
    signal: None,
    end: 0,
    work: |_| 0,
    works: 0,
    way: &[],
    calls: &[],
};

const WAY: &[&str] = &["sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"];
const KEY: &str = "--idempotency-key=5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11";
const OFTEN: &str = "--poll-interval=100ms";

pub(crate) fn rows() -> Vec<Row> {
    [glue(), lambda(), sagemaker(), redshift(), rds(), mwaa(), eks(), chain()].concat()
}

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

fn glue() -> Vec<Row> {
    let glue = Row { binary: "glue-trigger", world: glue_world, ..READ };
    vec![
        Row {
            name: "glue-trigger",
            args: &["--job-name=etl", KEY, OFTEN, "--logs"],
            work: |sandbox| sandbox.started("etl"),
            works: 1,
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

fn lambda() -> Vec<Row> {
    let lambda = Row { binary: "lambda-invoke", world: lambda_world, ..READ };
    let once = Row { work: |sandbox| sandbox.invoked("f"), works: 1, ..lambda };
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
            calls: &[("lambda:Invoke", Part::Start)],
            ..lambda
        },
        Row {
            name: "lambda-invoke-wait",
            args: &["--function-name=d:1", "--payload={}", "--invocation-type=Event", KEY, OFTEN],
            work: |sandbox| sandbox.invoked("d"),
            works: 1,
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

fn sagemaker() -> Vec<Row> {
    let sagemaker = Row { binary: "sagemaker-invoke", world: sagemaker_world, ..READ };
    let once = Row { work: |sandbox| sandbox.inferred("e"), works: 1, ..sagemaker };
    let train =
        Row { place: with_spec, work: |sandbox| sandbox.training_jobs().len(), works: 1, ..sagemaker };
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
            signal: Some(("sagemaker", "DescribeTrainingJob")),
            end: 143,
            calls: &[("sagemaker:StopTrainingJob", Part::Stop)],
            ..train
        },
    ]
}

/// Where SQL is run.
macro_rules! on_cluster {
    ($($arg:expr),*) => {
        &[$($arg,)* "--cluster-identifier=analytics", "--database=dev", "--db-user=etl"]
    };
}

fn held() -> String {
    format!("{}\n[[redshift.courses]]\nwhen = '%'\nhold = '1h'\n", Worlds::TWO_ACCOUNTS)
}

fn redshift() -> Vec<Row> {
    let redshift = Row { binary: "redshift-query", ..READ };
    let run = Row { work: |sandbox| sandbox.statements().len(), works: 1, ..redshift };
    let sql = Row { sql: true, ..redshift };
    vec![
        Row {
            name: "redshift-query",
            args: on_cluster!("--sql=select 1", KEY, OFTEN),
            sql: true,
            way: WAY,
            calls: &[
                ("redshift-data:ListStatements", Part::Read),
                ("redshift-data:ExecuteStatement", Part::Start),
                ("redshift-data:DescribeStatement", Part::Wait),
                ("redshift-data:GetStatementResult", Part::Wait),
            ],
            ..run
        },
        Row {
            name: "redshift-query-batch",
            args: on_cluster!("--sql=select 1", "--sql=select 2", KEY, OFTEN, "--output=none"),
            sql: true,
            calls: &[("redshift-data:BatchExecuteStatement", Part::Start)],
            ..run
        },
        Row {
            name: "redshift-query-stop",
            args: on_cluster!("--sql=select 1", OFTEN, "--on-terminate=cancel"),
            world: held,
            sql: true,
            signal: Some(("redshift-data", "DescribeStatement")),
            end: 143,
            calls: &[("redshift-data:CancelStatement", Part::Stop)],
            ..run
        },
        Row {
            name: "redshift-query-databases",
            args: on_cluster!("databases"),
            calls: &[("redshift-data:ListDatabases", Part::Read)],
            ..sql
        },
        Row {
            name: "redshift-query-schemas",
            args: on_cluster!("schemas"),
            calls: &[("redshift-data:ListSchemas", Part::Read)],
            ..sql
        },
        Row {
            name: "redshift-query-tables",
            args: on_cluster!("tables"),
            calls: &[("redshift-data:ListTables", Part::Read)],
            ..sql
        },
        Row {
            name: "redshift-query-describe-table",
            args: on_cluster!("describe-table", "--schema=pg_catalog", "--table=pg_class"),
            calls: &[("redshift-data:DescribeTable", Part::Read)],
            ..sql
        },
    ]
}

fn rds() -> Vec<Row> {
    let rds = Row { binary: "rds-connect", ..READ };
    vec![
        Row {
            name: "rds-connect-token",
            args: &["token", "--iam", "--host=mydb.cluster-abc123.us-east-2.rds.amazonaws.com", "--user=u"],
            secret_result: true,
            way: WAY,
            ..rds
        },
        Row {
            name: "rds-connect-exec",
            args: &["exec", "--secret-id=orders-db"],
            after: &["--", "/bin/true"],
            calls: &[("secretsmanager:GetSecretValue", Part::Read)],
            ..rds
        },
    ]
}

fn mwaa_world() -> String {
    format!(
        "{}\n[[mwaa.environments]]\naccount = '222222222222'\nname = 'flow'\n[[mwaa.environments.dags]]\nid = 'etl'\n\
         courses = [{{ steps = [{{ state = 'running' }}, {{ state = 'success', after = '500ms' }}] }}]\n",
        Worlds::TWO_ACCOUNTS
    )
}

/// The way to MWAA and its web servers, which have hosts of their own.
fn behind_proxy(site: Site) -> Site {
    let ca = site.write("ca.pem", site.sandbox.ca_pem()).display().to_string();
    site.write("one.py", "from airflow import DAG");
    let proxy = site.sandbox.proxy_url();
    site.env("HTTPS_PROXY", proxy)
        .env("AWS_CA_BUNDLE", ca)
        .env("AWS_ENDPOINT_URL_MWAA", "https://airflow.us-east-2.amazonaws.com")
        .env("MWAA_ENVIRONMENT_NAME", "flow")
}

fn mwaa() -> Vec<Row> {
    let mwaa = Row { binary: "mwaa-token", world: mwaa_world, place: behind_proxy, ..READ };
    let files = Row { place: |site| behind_proxy(site).env("MWAA_ENVIRONMENT_NAME", "orchestrator"), ..mwaa };
    vec![
        Row {
            name: "mwaa-token-trigger",
            args: &["trigger", "etl", KEY, OFTEN],
            work: |sandbox| sandbox.dag_runs("flow").len(),
            works: 1,
            way: WAY,
            calls: &[("mwaa:GetEnvironment", Part::Read), ("mwaa:InvokeRestApi", Part::Start)],
            ..mwaa
        },
        Row {
            name: "mwaa-token-rest",
            args: &["rest", "GET", "/dags/etl"],
            calls: &[("mwaa:InvokeRestApi", Part::Read)],
            ..mwaa
        },
        Row {
            name: "mwaa-token-run",
            args: &["run"],
            after: &["--", "version"],
            calls: &[("mwaa:CreateCliToken", Part::Read), ("mwaa-web-server:Cli", Part::Blind)],
            ..mwaa
        },
        Row {
            name: "mwaa-token-web",
            args: &["web"],
            secret_result: true,
            calls: &[("mwaa:CreateWebLoginToken", Part::Read)],
            ..mwaa
        },
        Row {
            name: "mwaa-token-environments",
            args: &["environments"],
            calls: &[("mwaa:ListEnvironments", Part::Read)],
            ..mwaa
        },
        Row {
            name: "mwaa-token-dags-list",
            args: &["dags", "list"],
            calls: &[("mwaa:GetEnvironment", Part::Read), ("s3:ListObjectsV2", Part::Read)],
            ..files
        },
        Row {
            name: "mwaa-token-dags-upload",
            args: &["dags", "upload", "one.py"],
            calls: &[("s3:PutObject", Part::Read)],
            ..files
        },
        Row {
            name: "mwaa-token-dags-delete",
            args: &["dags", "delete", "nightly.py"],
            calls: &[("s3:DeleteObject", Part::Read)],
            ..files
        },
    ]
}

fn eks() -> Vec<Row> {
    let eks = Row { binary: "eks-token", ..READ };
    vec![
        Row {
            name: "eks-token",
            args: &["token", "--cluster-name=target"],
            secret_result: true,
            way: WAY,
            ..eks
        },
        Row {
            name: "eks-token-clusters",
            args: &["clusters"],
            calls: &[("eks:ListClusters", Part::Read)],
            ..eks
        },
        Row {
            name: "eks-token-describe",
            args: &["describe", "--cluster-name=target"],
            calls: &[("eks:DescribeCluster", Part::Read)],
            ..eks
        },
    ]
}

fn on_a_machine(site: Site) -> Site {
    let url = site.sandbox.url();
    site.without("AWS_PROFILE").without("AWS_CONFIG_FILE").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
}

fn chain() -> Vec<Row> {
    let chain = Row { binary: "chain-check", ..READ };
    vec![
        Row { name: "chain-check", way: WAY, calls: &[("sts:GetCallerIdentity", Part::Read)], ..chain },
        Row {
            name: "chain-check-container",
            world: Worlds::pod_identity,
            place: Site::with_pod_identity,
            calls: &[("container-credentials:GetCredentials", Part::Read)],
            ..chain
        },
        Row {
            name: "chain-check-machine",
            args: &["--allow-instance-metadata"],
            world: || {
                format!(
                    "{}\n[instance_metadata]\nrole = 'arn:aws:iam::111111111111:role/cats-glue'\n",
                    Worlds::TWO_ACCOUNTS
                )
            },
            place: on_a_machine,
            calls: &[
                ("instance-metadata:GetToken", Part::Read),
                ("instance-metadata:GetRoleName", Part::Read),
                ("instance-metadata:GetCredentials", Part::Read),
            ],
            ..chain
        },
    ]
}

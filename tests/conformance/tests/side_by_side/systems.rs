//! What is compared: each documented line, and what takes its place.

use testkit::{Database, DatabaseSettings, Worlds};

use crate::circumstance::Circumstance::{
    self, AnswerLost, AnswersLost, Fails, KilledAtStart, KilledAtWork, NotTrusted, Refused, Rotated,
    Succeeds, Throttled, ThrottledOnce,
};
use crate::circumstance::Course;
use crate::place::{Place, Work, without};

/// One of the two that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The documented line.
    Old,
    /// The program of this workspace.
    New,
}

/// A documented line, and what takes its place.
#[derive(Clone, Copy)]
pub(crate) struct System {
    /// In the names of tests.
    pub(crate) name: &'static str,
    /// Of its section.
    pub(crate) title: &'static str,
    /// Where the line is from, and what else there is to say.
    pub(crate) about: &'static str,
    pub(crate) old: &'static str,
    pub(crate) new: &'static str,
    pub(crate) binary: &'static str,
    /// One piece of its work; nothing where none is begun.
    pub(crate) unit: &'static str,
    /// Its world, which what the sandbox runs SQL on is a part of.
    pub(crate) world: fn(Course, &str) -> String,
    pub(crate) furnish: fn(Place, Circumstance) -> Place,
    /// What is not allowed where it is refused.
    pub(crate) permission: &'static str,
    /// The call that begins the work, or all of it.
    pub(crate) call: (&'static str, &'static str),
    /// Which of these calls of our program does: not the first, where it asks something else by one before.
    pub(crate) begins: u32,
    pub(crate) work: fn(&Place) -> Work,
    /// Our program waits for the end of work that goes on by itself.
    pub(crate) waits: bool,
    /// The sandbox runs SQL.
    pub(crate) sql: bool,
    /// What cannot happen to it, and why; without a reason, it is not worth a row.
    pub(crate) never: &'static [(Circumstance, &'static str)],
}

impl System {
    /// What the container runs.
    pub(crate) fn line(&self, side: Side) -> &'static str {
        match side {
            Side::Old => self.old,
            Side::New => self.new,
        }
    }

    /// Why something cannot happen to it.
    pub(crate) fn never(&self, circumstance: Circumstance) -> Option<&'static str> {
        self.never.iter().find(|(never, _)| *never == circumstance).map(|(_, why)| *why)
    }
}

/// Few have one that is kept.
const NO_PASSWORD: (Circumstance, &str) = (Rotated, "");
const NOTHING_RUNS: &str = "nothing runs remotely";
const THE_ANSWER_IS_THE_WORK: &str = "the answer to the call is that of the work: as below";

const SYSTEM: System = System {
    name: "",
    title: "",
    about: "",
    old: "",
    new: "",
    binary: "",
    unit: "",
    world: |_, _| Worlds::TWO_ACCOUNTS.to_owned(),
    furnish: |place, _| place,
    permission: "",
    call: ("", ""),
    begins: 1,
    work: |_| Work::default(),
    waits: false,
    sql: false,
    never: &[],
};

fn beside_documented(more: &str) -> String {
    [Worlds::TWO_ACCOUNTS, "\n", more].concat()
}

pub(crate) fn systems() -> Vec<System> {
    vec![
        glue(),
        lambda(),
        lambda_answer(),
        lambda_durable(),
        endpoint(),
        training(),
        redshift(),
        by_secret(),
        by_token(),
        mwaa(),
        describe(),
        kubectl(),
        identity(),
    ]
}

fn glue() -> System {
    System {
        name: "glue",
        title: "Trigger a Glue job",
        about: "The documented CronJob for Glue, with its texts.",
        old: "aws glue start-job-run --job-name nightly\n\
              if [ $? -eq 0 ]; then\n  echo \"Lambda function invoked successfully.\"\n\
              else\n  echo \"Failed to invoke Lambda function.\"\nfi",
        new: "glue-trigger --job-name=nightly",
        binary: "glue-trigger",
        unit: "run",
        world: |course, _| {
            let end = match course {
                Course::Good | Course::Long => "state = 'SUCCEEDED'",
                Course::Bad => "state = 'FAILED', error_message = \"KeyError: 'order_id'\"",
            };
            beside_documented(&format!(
                "[[glue.jobs]]\naccount = '222222222222'\nname = 'nightly'\n[[glue.jobs.courses]]\n\
                 steps = [{{ state = 'RUNNING' }}, {{ {end}, after = '3m' }}]\n"
            ))
        },
        permission: "glue:StartJobRun",
        call: ("glue", "StartJobRun"),
        work: |place| {
            let runs = place.site.sandbox.runs("nightly");
            Work { started: runs.len(), running: runs.iter().filter(|run| run.state == "RUNNING").count() }
        },
        waits: true,
        never: &[NO_PASSWORD],
        ..SYSTEM
    }
}

fn lambda() -> System {
    System {
        name: "lambda",
        title: "Invoke a Lambda function",
        about: "The documented CronJob for Lambda. A function that runs on after its caller was killed is not seen here: \
                nobody is told of it.",
        old: "aws lambda invoke --function-name nightly --payload '{}' /dev/null\n\
              if [ $? -eq 0 ]; then\n  echo \"Lambda function invoked successfully.\"\n\
              else\n  echo \"Failed to invoke Lambda function.\"\nfi",
        new: "lambda-invoke --function-name=nightly --payload='{}'",
        binary: "lambda-invoke",
        unit: "invocation",
        world: |course, _| {
            let courses = match course {
                Course::Good => "{ after = '100ms', answer = { json = '{\"rows\": 1204}' } }",
                Course::Bad => "{ answer = { error = { type = 'KeyError', message = \"'order_id'\" } } }",
                Course::Long => {
                    "{ after = '1h' }, { after = '100ms', answer = { json = '{\"rows\": 1204}' } }"
                }
            };
            beside_documented(&format!(
                "[[lambda.functions]]\naccount = '222222222222'\nname = 'nightly'\ncourses = [{courses}]\n"
            ))
        },
        permission: "lambda:InvokeFunction",
        call: ("lambda", "Invoke"),
        begins: 2,
        work: |place| Work { started: place.site.sandbox.invoked("nightly"), running: 0 },
        never: &[NO_PASSWORD, (KilledAtStart, THE_ANSWER_IS_THE_WORK)],
        ..SYSTEM
    }
}

fn lambda_answer() -> System {
    System {
        name: "lambda-answer",
        title: "Invoke a Lambda function and look at its answer",
        about: "The last steps of the guide to RDS Proxy across accounts, without `--cli-binary-format`, which version 1 of the \
                AWS CLI does not know. The function fails by an answer that says so. What is \
                not in the table is as above.",
        old: "aws lambda invoke --function-name connectiontest-lambda /tmp/response.json\ncat /tmp/response.json",
        new: "lambda-invoke --function-name=connectiontest-lambda --expect='statusCode == `200`'",
        binary: "lambda-invoke",
        unit: "invocation",
        world: |course, _| {
            let answer = match course {
                Course::Good | Course::Long => {
                    r#"{"statusCode": 200, "body": "Database connection was successful!"}"#
                }
                Course::Bad => r#"{"statusCode": 500, "body": "could not connect to server"}"#,
            };
            beside_documented(&format!(
                "[[lambda.functions]]\naccount = '222222222222'\nname = 'connectiontest-lambda'\n\
                 courses = [{{ answer = {{ json = '{answer}' }} }}]\n"
            ))
        },
        permission: "lambda:InvokeFunction",
        call: ("lambda", "Invoke"),
        begins: 2,
        work: |place| Work { started: place.site.sandbox.invoked("connectiontest-lambda"), running: 0 },
        never: &[
            NO_PASSWORD,
            (NotTrusted, ""),
            (ThrottledOnce, ""),
            (Throttled, ""),
            (AnswerLost, ""),
            (AnswersLost, ""),
            (KilledAtStart, ""),
            (KilledAtWork, ""),
        ],
        ..SYSTEM
    }
}

fn lambda_durable() -> System {
    System {
        name: "lambda-durable",
        title: "Invoke a durable Lambda function",
        about: "The same line for a function that is durable: for these, the key of the Job names the execution. What is not in \
                the table is as above.",
        old: "aws lambda invoke --function-name nightly:1 --payload '{}' /dev/null\n\
              if [ $? -eq 0 ]; then\n  echo \"Lambda function invoked successfully.\"\n\
              else\n  echo \"Failed to invoke Lambda function.\"\nfi",
        new: "lambda-invoke --function-name=nightly:1 --payload='{}'",
        binary: "lambda-invoke",
        unit: "invocation",
        world: |course, _| {
            let first = if course == Course::Long { "{ after = '3m' }, " } else { "" };
            beside_documented(&format!(
                "[[lambda.functions]]\naccount = '222222222222'\nname = 'nightly'\nversions = ['1']\ndurable = true\n\
                 courses = [{first}{{ after = '100ms', answer = {{ json = '1' }} }}]\n"
            ))
        },
        permission: "lambda:InvokeFunction",
        call: ("lambda", "Invoke"),
        work: |place| Work { started: place.site.sandbox.invoked("nightly"), running: 0 },
        waits: true,
        never: &[
            (Fails, ""),
            (Refused, ""),
            (NotTrusted, ""),
            NO_PASSWORD,
            (ThrottledOnce, ""),
            (Throttled, ""),
            (KilledAtStart, THE_ANSWER_IS_THE_WORK),
        ],
        ..SYSTEM
    }
}

fn endpoint() -> System {
    System {
        name: "endpoint",
        title: "Ask a SageMaker endpoint",
        about: "The documented Deployment for SageMaker.",
        old: "aws sagemaker-runtime invoke-endpoint --endpoint-name churn --body '{\"id\": 1}' \\\n  \
              --region us-east-2 /tmp/sagemaker_output.txt\ncat /tmp/sagemaker_output.txt",
        new: "sagemaker-invoke endpoint --endpoint-name=churn --body='{\"id\": 1}'",
        binary: "sagemaker-invoke",
        unit: "request",
        world: |course, _| {
            let courses = match course {
                Course::Good => "{ body = '0.93' }",
                Course::Bad => "{ model_error = { status = 500, message = 'out of memory' } }",
                Course::Long => "{ after = '1h' }, { body = '0.93' }",
            };
            beside_documented(&format!(
                "[[sagemaker.endpoints]]\naccount = '222222222222'\nname = 'churn'\ncourses = [{courses}]\n"
            ))
        },
        permission: "sagemaker:InvokeEndpoint",
        call: ("sagemaker-runtime", "InvokeEndpoint"),
        work: |place| Work { started: place.site.sandbox.inferred("churn"), running: 0 },
        never: &[NO_PASSWORD, (KilledAtStart, THE_ANSWER_IS_THE_WORK)],
        ..SYSTEM
    }
}

fn training() -> System {
    System {
        name: "training",
        title: "Train a SageMaker model",
        about: "The documented policy allows it, and no line does it: this is the AWS CLI's.",
        old: "aws sagemaker create-training-job --cli-input-json file:///tmp/job.json",
        new: "sagemaker-invoke train --spec-file=/tmp/job.json",
        binary: "sagemaker-invoke",
        unit: "training job",
        world: |course, _| {
            let end = match course {
                Course::Good | Course::Long => "status = 'Completed', secondary = 'Completed'",
                Course::Bad => {
                    "status = 'Failed', secondary = 'Failed', failure_reason = 'AlgorithmError: exit code 1'"
                }
            };
            beside_documented(&format!(
                "[[sagemaker.training_courses]]\n\
                 steps = [{{ secondary = 'Training' }}, {{ {end}, after = '3m' }}]\n"
            ))
        },
        furnish: |place, _| {
            place.site.write(
                "job.json",
                r#"{"TrainingJobName": "churn", "RoleArn": "arn:aws:iam::222222222222:role/sagemaker-trainer",
                    "OutputDataConfig": {"S3OutputPath": "s3://team-data/models"},
                    "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
                    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
                    "StoppingCondition": {"MaxRuntimeInSeconds": 3600}}"#,
            );
            place
        },
        permission: "sagemaker:CreateTrainingJob",
        call: ("sagemaker", "CreateTrainingJob"),
        work: |place| {
            let jobs = place.site.sandbox.training_jobs();
            let running = jobs.iter().filter(|job| job.status == "InProgress").count();
            Work { started: jobs.len(), running }
        },
        waits: true,
        never: &[NO_PASSWORD],
        ..SYSTEM
    }
}

fn redshift() -> System {
    System {
        name: "redshift",
        title: "Run SQL in Redshift",
        about: "The documented Job for Redshift.",
        old: "aws redshift-data execute-statement --cluster-identifier analytics --database sales \\\n  \
              --sql 'select 42 as answer' --region us-east-2\n\
              echo \"Query executed on Redshift cluster: analytics\"",
        new: "redshift-query --cluster-identifier=analytics --database=sales --sql='select 42 as answer'",
        binary: "redshift-query",
        unit: "statement",
        world: |course, sql| {
            let end = match course {
                Course::Good | Course::Long => "",
                Course::Bad => "error = 'ERROR: relation \"orders\" does not exist'\n",
            };
            beside_documented(&format!("{sql}[[redshift.courses]]\nwhen = '%'\nhold = '3m'\n{end}"))
        },
        permission: "redshift-data:ExecuteStatement",
        call: ("redshift-data", "ExecuteStatement"),
        work: |place| {
            let statements = place.site.sandbox.statements();
            let goes_on = |status: &str| ["SUBMITTED", "PICKED", "STARTED"].contains(&status);
            let running = statements.iter().filter(|statement| goes_on(&statement.status)).count();
            Work { started: statements.len(), running }
        },
        waits: true,
        sql: true,
        never: &[NO_PASSWORD],
        ..SYSTEM
    }
}

/// A database with two tables, and the SQL of the night, of which a part goes wrong where it is to.
fn with_database(mut place: Place, circumstance: Circumstance) -> Place {
    const NEW_PASSWORD: &str = "pa55-of-app-from-today";
    let settings = vec!["max_prepared_transactions=1".to_owned()];
    let database =
        Database::start(&place.site.sandbox, DatabaseSettings { settings, ..DatabaseSettings::default() });
    let sandbox = &place.site.sandbox;
    let psql = |sql: &str| database.psql(&["-d", Database::NAME, "-c", sql]);
    psql("create table orders (id int); create table stock (number int); create table done (what text)");
    psql("insert into stock values (9)");
    psql("grant all on orders, stock, done to public");
    sandbox.rotate_secret("orders-db", database.secret()).expect("the secret of the documented world");
    if circumstance.kills() {
        // What the night's SQL waits for, until the transaction is taken back.
        psql("begin; lock table stock; prepare transaction 'holds'");
    }
    if circumstance == Rotated {
        psql(&format!("alter role app password '{NEW_PASSWORD}'"));
        let secret = database.secret().replace(Database::PASSWORD, NEW_PASSWORD);
        sandbox.rotate_secret("orders-db", secret).expect("the secret of the documented world");
    }
    let table = if circumstance == Fails { "stok" } else { "stock" };
    place.site.write(
        "nightly.sql",
        &format!(
            "insert into orders values (1);\nupdate {table} set number = number - 1;\ninsert into done values ('nightly');\n"
        ),
    );
    let port = database.port().to_string();
    // The server's own folder is for its user alone.
    let ca = place.site.write("roots.pem", &std::fs::read_to_string(database.ca()).expect("roots"));
    let ca = ca.display().to_string();
    let site = place.site.env("PGHOSTADDR", "127.0.0.1").env("PGPORT", &port).env("PGSSLROOTCERT", ca);
    place.site = site
        .env("DB_HOST", Database::HOST)
        .env("DB_PORT", port)
        .env("DB_USERNAME", Database::USER)
        .env("DB_PASSWORD", Database::PASSWORD);
    place.database = Some(database);
    place
}

/// Orders that are in the table to stay, and sessions at work.
fn rows(place: &Place) -> Work {
    let sessions = "select count(*) from pg_stat_activity where state = 'active' and usename <> 'postgres'";
    Work { started: place.count("select count(*) from orders"), running: place.count(sessions) }
}

fn by_secret() -> System {
    System {
        name: "postgres-by-secret",
        title: "Run SQL in PostgreSQL with a secret",
        about: "The documented ExternalSecret, whose three values a controller of the cluster has put into the pod's variables, \
                and psql. The SQL is `insert`, `update`, `insert`; where it fails, the second of them is wrong. Rows are those that the first \
                has left in its table.",
        old: "PGPASSWORD=$DB_PASSWORD psql -h $DB_HOST -U $DB_USERNAME -d mydb -f /tmp/nightly.sql",
        new: "rds-connect query --secret-id=orders-db --host=$DB_HOST --database=mydb \\\n  \
              --sql-file=/tmp/nightly.sql --single-transaction",
        binary: "rds-connect",
        unit: "row",
        furnish: with_database,
        permission: "secretsmanager:GetSecretValue",
        call: ("secretsmanager", "GetSecretValue"),
        work: rows,
        never: &[(KilledAtStart, THE_ANSWER_IS_THE_WORK)],
        ..SYSTEM
    }
}

fn by_token() -> System {
    System {
        name: "postgres-by-token",
        title: "Run SQL in PostgreSQL with an IAM token",
        about: "The chain of the guide to Aurora from another account, and its psql. A token is signed without a call: the calls \
                that are spoilt are those to STS.",
        old: "PGPASSWORD=$(aws rds generate-db-auth-token --hostname $DB_HOST --port $DB_PORT \\\n  \
              --region us-east-2 --username iam_demo_user) \\\n\
              psql -h $DB_HOST -p $DB_PORT -U iam_demo_user -d mydb -f /tmp/nightly.sql",
        new: "rds-connect query --iam --host=$DB_HOST --user=iam_demo_user --database=mydb \\\n  \
              --sql-file=/tmp/nightly.sql --single-transaction",
        binary: "rds-connect",
        unit: "row",
        furnish: with_database,
        permission: "rds-db:connect",
        call: ("sts", "AssumeRole"),
        work: rows,
        never: &[NO_PASSWORD, (KilledAtStart, THE_ANSWER_IS_THE_WORK)],
        ..SYSTEM
    }
}

fn mwaa() -> System {
    System {
        name: "mwaa",
        title: "Trigger a DAG in MWAA",
        about: "The documented policy for MWAA – tokens for the command line, no `InvokeRestApi` –, and how AWS's own guide uses them. \
                The call that is spoilt is the one with Airflow's command.",
        old: "json=$(aws mwaa create-cli-token --name flow) &&\n\
              curl --silent --request POST https://$(echo $json | jq -r .WebServerHostname)/aws_mwaa/cli \\\n  \
              --header \"Authorization: Bearer $(echo $json | jq -r .CliToken)\" \\\n  \
              --header 'Content-Type: text/plain' --data-raw 'dags trigger nightly' |\n\
              jq -r .stdout | base64 --decode",
        new: "mwaa-token trigger nightly --environment-name=flow",
        binary: "mwaa-token",
        unit: "DAG run",
        world: |course, _| {
            let state = if course == Course::Bad { "failed" } else { "success" };
            let documented = without(Worlds::TWO_ACCOUNTS, "\"airflow:InvokeRestApi on ");
            format!(
                "{documented}\n[[mwaa.environments]]\naccount = '222222222222'\nname = 'flow'\n[[mwaa.environments.dags]]\n\
                 id = 'nightly'\ncourses = [{{ steps = [{{ state = 'running' }}, \
                 {{ state = '{state}', after = '3m' }}], failed_tasks = ['extract'] }}]\n"
            )
        },
        furnish: |mut place, _| {
            place.site = place.site.behind_proxy();
            let ca = place.site.path("ca.pem").display().to_string();
            place.site = place.site.env("CURL_CA_BUNDLE", ca);
            place
        },
        permission: "airflow:CreateCliToken",
        call: ("mwaa-web-server", "Cli"),
        begins: 3,
        work: |place| {
            let runs = place.site.sandbox.dag_runs("flow");
            Work { started: runs.len(), running: runs.iter().filter(|run| run.state == "running").count() }
        },
        waits: true,
        never: &[NO_PASSWORD],
        ..SYSTEM
    }
}

fn describe() -> System {
    System {
        name: "describe",
        title: "Ask for an EKS cluster",
        about: "Step 1 of the guide to cluster resources across accounts.",
        old: "aws eks describe-cluster --name target --query cluster.identity.oidc.issuer --output text",
        new: "eks-token describe --cluster-name=target",
        binary: "eks-token",
        permission: "eks:DescribeCluster",
        call: ("eks", "DescribeCluster"),
        never: &[
            (Fails, NOTHING_RUNS),
            NO_PASSWORD,
            (KilledAtStart, NOTHING_RUNS),
            (KilledAtWork, NOTHING_RUNS),
        ],
        ..SYSTEM
    }
}

fn kubectl() -> System {
    System {
        name: "kubectl",
        title: "Reach an EKS cluster with kubectl",
        about: "Step 7 of the same guide. Where it fails, the cluster has no access entry for the role.",
        old: "aws --region us-east-2 eks update-kubeconfig --name target && kubectl get pods -n kube-system",
        new: "eks-token kubeconfig --cluster-name=target && kubectl get pods -n kube-system",
        binary: "eks-token",
        permission: "eks:DescribeCluster",
        call: ("eks", "DescribeCluster"),
        world: |course, _| match course {
            Course::Good | Course::Long => Worlds::TWO_ACCOUNTS.to_owned(),
            Course::Bad => without(Worlds::TWO_ACCOUNTS, "access = ["),
        },
        // The AWS CLI would sign its token for the address of the sandbox, and not for that of STS.
        furnish: |mut place, _| {
            place.site = place.site.behind_proxy().without("AWS_ENDPOINT_URL");
            place
        },
        never: &[NO_PASSWORD, (KilledAtStart, NOTHING_RUNS), (KilledAtWork, NOTHING_RUNS)],
        ..SYSTEM
    }
}

fn identity() -> System {
    System {
        name: "identity",
        title: "See whether the roles are right",
        about: "Step 5 of the same guide.",
        old: "aws sts get-caller-identity --profile cats\naws sts get-caller-identity --profile external",
        new: "chain-check cats external",
        binary: "chain-check",
        call: ("sts", "AssumeRole"),
        never: &[
            (Fails, NOTHING_RUNS),
            (Refused, "whoever has a session may ask who it is"),
            NO_PASSWORD,
            (KilledAtStart, NOTHING_RUNS),
            (KilledAtWork, NOTHING_RUNS),
        ],
        ..SYSTEM
    }
}

/// Those whose old side is looked at in `make test`, too.
pub(crate) const ALWAYS: [(&str, Circumstance); 3] =
    [("glue", Fails), ("lambda", Fails), ("postgres-by-secret", Succeeds)];

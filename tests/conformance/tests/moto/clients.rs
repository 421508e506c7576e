//! Secrets, clusters and the DAG folder.

use serde_json::json;

use crate::{A, B, Place};

#[test]
fn a_secret_of_account_b_reaches_the_program() {
    let place = Place::of("rds-connect");
    for (account, password) in [(A, "of-a"), (B, "of-b with 'quotes' and ü")] {
        let secret = json!({ "username": "app", "password": password, "host": "db.example.com", "port": 6432, "dbname": "orders" });
        let secret = json!({ "Name": "team/orders-db", "SecretString": secret.to_string() });
        place.call(account, "secretsmanager", "CreateSecret", secret);
    }
    place.call(A, "secretsmanager", "CreateSecret", json!({ "Name": "only-a", "SecretString": "{}" }));
    let shell = |secret: &str, command: &str| {
        let secret = format!("--secret-id={secret}");
        let running =
            place.site.start(["exec", &secret, "--", "/bin/sh", "-c", command]).with_secret_result();
        place.finish(running)
    };
    let outcome = shell("team/orders-db", "echo \"$PGUSER@$PGHOST:$PGPORT/$PGDATABASE $PGPASSWORD\"");
    outcome.assert_exit(0).assert_does_not_say("of-b");
    assert_eq!(outcome.text(), "app@db.example.com:6432/orders of-b with 'quotes' and ü\n");
    // By its ARN, and in a stage of its own.
    let secret = place.call(B, "secretsmanager", "DescribeSecret", json!({ "SecretId": "team/orders-db" }));
    let arn = secret["ARN"].as_str().unwrap();
    let next = json!({ "SecretId": arn, "SecretString": r#"{"username":"app2","password":"next","host":"h"}"#, "VersionStages": ["AWSPENDING"] });
    place.call(B, "secretsmanager", "PutSecretValue", next);
    assert_eq!(shell(arn, "echo $PGUSER").assert_exit(0).text(), "app\n");
    let running = place.site.start([
        "exec",
        "--secret-id",
        arn,
        "--secret-stage=AWSPENDING",
        "--",
        "/bin/sh",
        "-c",
        "echo $PGUSER",
    ]);
    assert_eq!(place.finish(running).assert_exit(0).text(), "app2\n");
    for absent in ["only-a", "nowhere"] {
        shell(absent, "true").assert_exit(65).assert_says(absent);
    }
    // One without keys, which then is to be deleted.
    place.call(B, "secretsmanager", "CreateSecret", json!({ "Name": "empty", "SecretString": "{}" }));
    shell("empty", "true").assert_exit(78).assert_says("no key for the password");
    place.call(B, "secretsmanager", "DeleteSecret", json!({ "SecretId": "empty" }));
    shell("empty", "true").assert_exit(65).assert_says("currently marked deleted");
}

#[test]
fn clusters_of_account_b_are_listed_described_and_written_down() {
    let place = Place::of("eks-token");
    for (account, name) in [(A, "of-a"), (B, "of-b"), (B, "of-b-2")] {
        let vpc = json!({ "subnetIds": ["subnet-1", "subnet-2"] });
        let role = format!("arn:aws:iam::{account}:role/eks");
        place.call(
            account,
            "eks",
            "CreateCluster",
            json!({ "name": name, "roleArn": role, "resourcesVpcConfig": vpc }),
        );
    }
    let told = place.run(["clusters"]).assert_exit(0).json();
    assert_eq!(told, json!({ "clusters": ["of-b", "of-b-2"] }));
    let real = place.call(B, "eks", "DescribeCluster", json!({ "name": "of-b" }))["cluster"].clone();
    let told = place.run(["describe", "--cluster-name=of-b"]).assert_exit(0).json()["cluster"].clone();
    for key in
        ["arn", "endpoint", "version", "status", "certificateAuthority", "identity", "resourcesVpcConfig"]
    {
        assert_eq!(told[key], real[key], "{key}");
    }
    place.run(["describe", "--cluster-name=of-a"]).assert_exit(65).assert_says("of-a");

    place.run(["kubeconfig", "--cluster-name=of-b", "--kubeconfig=config"]).assert_exit(0);
    let config = std::fs::read_to_string(place.site.path("config")).unwrap();
    for value in [&real["endpoint"], &real["certificateAuthority"]["data"], &real["arn"]] {
        assert!(config.contains(value.as_str().unwrap()), "no {value} in:\n{config}");
    }
    let token = place.finish(place.site.start(["token", "--cluster-name=of-b"]).with_secret_result());
    assert_eq!(token.assert_exit(0).json()["kind"], "ExecCredential");
}

/// S3 is moto's, and the environment whose folder it is the sandbox's: moto has no MWAA.
#[test]
fn a_dag_folder_is_filled_and_emptied() {
    let place = Place::with("mwaa-token", |site| {
        let url = site.sandbox.url();
        site.behind_proxy().env("AWS_ENDPOINT_URL_STS", url)
    });
    let bucket =
        json!({ "Bucket": "team-dags", "CreateBucketConfiguration": { "LocationConstraint": "us-east-2" } });
    place.call(B, "s3", "CreateBucket", bucket);
    let dags = |args: &[&str]| {
        place.run([&["dags", args[0], "--environment-name=orchestrator"], &args[1..]].concat())
    };
    let names = |prefix: &str| {
        let told = dags(&["list", prefix]).assert_exit(0).json();
        let files = told["listed"].as_array().unwrap().iter();
        files.map(|file| file["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(names("").is_empty());
    std::fs::create_dir(place.site.path("team")).unwrap();
    place.site.write("nightly.py", "from airflow import DAG");
    // What an address, XML and a signature each write in their own way.
    let odd = "a b+c&d=ü'(1)~%20;é.py";
    place.site.write(&format!("team/{odd}"), "x");
    dags(&["upload", "nightly.py", "team"]).assert_exit(0);
    assert_eq!(names(""), ["nightly.py".to_owned(), format!("team/{odd}")]);
    let key = json!({ "Bucket": "team-dags", "Key": format!("dags/team/{odd}") });
    assert_eq!(place.call(B, "s3", "GetObject", key)["Body"], "x");
    dags(&["delete", &format!("team/{odd}")]).assert_exit(0);
    assert_eq!(names(""), ["nightly.py"]);
    // More than one page: four keys are one here.
    for number in 0..9 {
        let object = json!({ "Bucket": "team-dags", "Key": format!("dags/many/{number}.py"), "Body": "" });
        place.call(B, "s3", "PutObject", object);
    }
    let page = place.call(B, "s3", "ListObjectsV2", json!({ "Bucket": "team-dags" }));
    assert_eq!((&page["KeyCount"], &page["IsTruncated"]), (&json!(4), &json!(true)));
    assert_eq!(names("many/").len(), 9);
}

//! `dags`: the files of the DAG folder in S3.

use std::fs;

use testkit::{Fault, FaultKind, Worlds};

use super::{assert_nothing_sent, in_world, pod, spoil, status, world, world_without};

/// Without one of the rights to the bucket.
fn world_without_s3(action: &str) -> String {
    let allowed = format!("\"{action} on arn:aws:s3:::team-dags");
    assert!(Worlds::TWO_ACCOUNTS.contains(&allowed));
    world("", "").replace(&allowed, "\"s3:Nothing on arn:aws:s3:::team-dags")
}

#[test]
fn what_is_in_the_folder_is_listed_and_nothing_beside_it() {
    let site = pod("", "");
    for key in ["dags/team/a.py", "dags/", "dags/team/", "dags-old/b.py", "plugins.zip"] {
        site.sandbox.put_object("team-dags", key, "x").unwrap();
    }
    let told = site.run(["dags", "list"]).assert_exit(0).json();
    assert_eq!(told["folder"], "s3://team-dags/dags");
    let names: Vec<_> = told["listed"].as_array().unwrap().iter().map(|file| file["name"].clone()).collect();
    assert_eq!(names, ["nightly.py", "team/a.py"]);
    assert_eq!(told["listed"][0]["size"], 23);
    let text = site.run(["dags", "list", "team/", "--output", "text"]);
    assert_eq!(text.assert_exit(0).text(), "team/a.py\n");
}

/// More than a page of S3 holds.
#[test]
fn a_large_folder_is_listed_whole() {
    let site = pod("", "");
    for number in 0..2300 {
        site.sandbox.put_object("team-dags", &format!("dags/x/{number:04} &<ü>.py"), "").unwrap();
    }
    let told = site.run(["dags", "list", "x/"]).assert_exit(0).json();
    let files = told["listed"].as_array().unwrap();
    assert_eq!(files.len(), 2300);
    assert_eq!(files[2299]["name"], "x/2299 &<ü>.py");
    assert_eq!(site.sandbox.count("s3", "ListObjectsV2"), 3);
}

#[test]
fn files_and_folders_are_uploaded() {
    let site = pod("", "");
    site.write("one.py", "print(1)");
    fs::create_dir_all(site.path("package/deep/__pycache__")).unwrap();
    site.write("package/a.py", "a");
    site.write("package/deep/b.sql", "select 1");
    site.write("package/.hidden", "no");
    site.write("package/deep/__pycache__/b.pyc", "no");
    let told = site.run(["dags", "upload", "one.py", "package"]).assert_exit(0).json();
    let names: Vec<_> =
        told["uploaded"].as_array().unwrap().iter().map(|file| file["name"].clone()).collect();
    assert_eq!(names, ["one.py", "package/a.py", "package/deep/b.sql"]);
    assert_eq!(site.sandbox.object("team-dags", "dags/package/deep/b.sql").unwrap(), b"select 1");
    site.run(["dags", "upload", "package/a.py", "--into", "team/x/"]).assert_exit(0);
    assert_eq!(site.sandbox.object("team-dags", "dags/team/x/a.py").unwrap(), b"a");
    // What is there is replaced.
    site.write("one.py", "print(2)");
    site.run(["dags", "upload", "one.py"]).assert_exit(0);
    assert_eq!(site.sandbox.object("team-dags", "dags/one.py").unwrap(), b"print(2)");
}

#[test]
fn files_are_deleted() {
    let site = pod("dag_folder = 'flows/dags/'", "");
    site.sandbox.put_object("team-dags", "flows/dags/a.py", "x").unwrap();
    site.sandbox.put_object("team-dags", "flows/dags/b/c.py", "x").unwrap();
    let told = site.run(["dags", "delete", "a.py", "b/c.py", "nothing.py"]).assert_exit(0).json();
    assert_eq!(told["deleted"].as_array().unwrap().len(), 3);
    assert_eq!(site.sandbox.objects("team-dags"), ["dags/nightly.py"]);
}

#[test]
fn rights_that_are_missing_are_named() {
    for (action, args) in [
        ("s3:ListBucket", &["dags", "list"][..]),
        ("s3:PutObject", &["dags", "upload", "a.py"]),
        ("s3:DeleteObject", &["dags", "delete", "nightly.py"]),
    ] {
        let site = in_world(&world_without_s3(action));
        site.write("a.py", "x");
        let outcome = site.run(args);
        outcome.assert_exit(77).assert_says(action).assert_says("s3://team-dags/dags");
        assert!(!outcome.termination()["request_id"].is_null());
    }
    let site = in_world(&world_without("airflow:GetEnvironment", "", ""));
    site.run(["dags", "list"]).assert_exit(77).assert_says("airflow:GetEnvironment");
}

#[test]
fn troubles_of_s3_are_borne_and_then_told() {
    for (operation, args) in [
        ("ListObjectsV2", &["dags", "list"][..]),
        ("PutObject", &["dags", "upload", "a.py"]),
        ("DeleteObject", &["dags", "delete", "a.py"]),
    ] {
        for kind in [FaultKind::Throttle, FaultKind::ResetAfter, status(500, "InternalError", "")] {
            let site = pod("", "");
            site.write("a.py", "x");
            spoil(&site, Fault::new("s3", operation, kind));
            site.run(args).assert_exit(0);
        }
        let site = pod("", "");
        site.write("a.py", "x");
        spoil(&site, Fault::new("s3", operation, status(500, "InternalError", "no")).for_ever());
        site.run(args).assert_exit(75).assert_says("InternalError");
    }
    let site = pod("", "");
    spoil(&site, Fault::new("s3", "ListObjectsV2", FaultKind::Garbage));
    site.run(["dags", "list"]).assert_exit(75).assert_says("cannot be read");
}

#[test]
fn a_bucket_that_is_not_there_or_elsewhere() {
    let site = pod("bucket = 'nobodys'", "");
    site.run(["dags", "list"]).assert_exit(65).assert_says("NoSuchBucket").assert_says("s3://nobodys/dags");
}

#[test]
fn paths_stay_in_the_folder_and_files_are_there() {
    let site = pod("", "");
    fs::create_dir(site.path("empty")).unwrap();
    for args in [
        &["dags"][..],
        &["dags", "delete"],
        &["dags", "delete", "../plugins.zip"],
        &["dags", "delete", "/dags/a.py"],
        &["dags", "delete", "team/"],
        &["dags", "list", "../"],
        &["dags", "upload"],
        &["dags", "upload", "nowhere.py"],
        &["dags", "upload", "empty"],
        &["dags", "upload", "/dev/null", "--into", "../x"],
    ] {
        site.run(args).assert_exit(2);
    }
    assert_nothing_sent(&site);
}

/// The bucket becomes a part of the address that is asked.
#[test]
fn a_bucket_of_a_response_is_the_name_of_one() {
    for bucket in ["evil.example/x", "evil.example?x=", "..", ""] {
        let site = pod(&format!("bucket = '{bucket}'"), "");
        let outcome = site.run(["dags", "list"]);
        outcome.assert_exit(75).assert_says("SourceBucketArn").assert_does_not_say("evil");
        assert!(site.sandbox.calls().iter().all(|call| call.service != "s3"));
    }
}

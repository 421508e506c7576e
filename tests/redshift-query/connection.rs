//! As whom, and where: all four ways to authenticate, and what is none.

use super::{altered, warehouse};

const SECRET: &str = "arn:aws:secretsmanager:us-east-2:222222222222:secret:analytics-etl-AbCdEf";

#[test]
fn four_ways_to_authenticate() {
    let cases: [(&[&str], Option<&str>, Option<&str>); 5] = [
        (&["--cluster-identifier", "analytics", "--db-user", "etl"], Some("etl"), None),
        (&["--cluster-identifier", "analytics"], Some("IAMR:external-glue"), None),
        // Whom a secret names is its own business.
        (&["--cluster-identifier", "analytics", "--secret-arn", SECRET], None, Some(SECRET)),
        (&["--workgroup-name", "adhoc", "--secret-arn", SECRET], None, Some(SECRET)),
        (&["--workgroup-name", "adhoc"], Some("IAMR:external-glue"), None),
    ];
    let house = warehouse("");
    for (options, user, secret) in cases {
        let more = ["--database", "dev", "--sql", "select 1 as one", "--output", "csv"];
        super::assert_stdout(house.run(options.iter().chain(&more)).assert_exit(0), "one\n1\n");
        let statement = house.sandbox.statements().pop().unwrap();
        assert_eq!(statement.secret.as_deref(), secret, "{options:?}");
        if user.is_some() {
            assert_eq!(statement.db_user.as_deref(), user, "{options:?}");
        }
    }
}

#[test]
fn combinations_that_are_none_are_told_before_any_call() {
    let house = warehouse("");
    let id = "d9b6c0c9-0747-4bf4-b142-e8883122f766";
    let cases: [(&[&str], &str); 8] = [
        (&["--database", "dev"], "give --cluster-identifier, --workgroup-name or --session-id"),
        (&["--cluster-identifier", "a", "--workgroup-name", "adhoc", "--database", "dev"], "two places"),
        (
            &["--workgroup-name", "adhoc", "--db-user", "etl", "--database", "dev"],
            "--cluster-identifier only",
        ),
        (
            &["--cluster-identifier", "a", "--db-user", "e", "--secret-arn", "s", "--database", "d"],
            "two users",
        ),
        (&["--cluster-identifier", "a"], "--database is missing"),
        (&["--session-id", id, "--database", "dev"], "--database does not go with --session-id"),
        (&["--session-id", "x"], "UUID"),
        (&["--workgroup-name", "arn:aws:redshift:x"], "workgroup's name"),
    ];
    for (options, expected) in cases {
        house.run(options.iter().chain(&["--sql", "select 1"])).assert_exit(2).assert_says(expected);
    }
    assert!(house.sandbox.calls().is_empty(), "{:#?}", house.sandbox.calls());
}

#[test]
fn a_workgroup_of_another_account() {
    let arn =
        "arn:aws:redshift-serverless:us-east-2:333333333333:workgroup/0a1b2c3d-1111-4222-a333-444455556666";
    let settings = "[[redshift.workgroups]]\naccount = '333333333333'\nname = 'shared'\n\
                    id = '0a1b2c3d-1111-4222-a333-444455556666'\nallow_accounts = ['222222222222']\n\
                    [accounts.333333333333]\nalias = 'other'\n";
    let open = |world: &str| {
        let grant =
            |action: &str| format!("\n    \"{action} on {arn}\",\n    \"iam:PassRole on arn:aws:iam::222");
        ["redshift-data:ExecuteStatement", "redshift-serverless:GetCredentials"]
            .iter()
            .fold(world.to_owned(), |world, action| {
                world.replacen("\n    \"iam:PassRole on arn:aws:iam::222", &grant(action), 1)
            })
    };
    let house = altered(settings, open);
    let options =
        ["--workgroup-name", arn, "--database", "dev", "--sql", "select 1 as one", "--output", "csv"];
    super::assert_stdout(house.run(options).assert_exit(0), "one\n1\n");
    assert_eq!(house.sandbox.statements()[0].workgroup.as_deref(), Some(arn));
}

#[test]
fn the_arn_must_be_one_of_the_region() {
    let house = warehouse("");
    let arn =
        "arn:aws:redshift-serverless:eu-west-1:333333333333:workgroup/0a1b2c3d-1111-4222-a333-444455556666";
    let outcome = house.run(["--workgroup-name", arn, "--database", "dev", "--sql", "select 1"]);
    outcome.assert_exit(78).assert_says("eu-west-1").assert_says("us-east-2");
    assert!(house.sandbox.calls().iter().all(|call| call.service == "sts"));
}

#[test]
fn what_is_not_there_or_not_allowed() {
    let house = warehouse("");
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--cluster-identifier", "other", "--db-user", "etl"], 77, "redshift-data:ExecuteStatement"),
        (&["--cluster-identifier", "analytics", "--db-user", "admin"], 77, "dbuser:analytics/admin"),
        (&["--workgroup-name", "missing"], 65, "no statement was started (workgroup missing, database dev"),
        (&["--workgroup-name", "adhoc", "--secret-arn", "analytics-missing"], 65, "secret"),
    ];
    for (options, code, expected) in cases {
        let outcome = house.run(options.iter().chain(&["--database", "dev", "--sql", "select 1"]));
        outcome.assert_exit(code).assert_says(expected);
    }
    assert_eq!(house.started(), 0);
}

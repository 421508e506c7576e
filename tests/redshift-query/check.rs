//! `--check`.

use super::{KEY, altered, on, warehouse};

#[test]
fn everything_is_looked_at_and_nothing_is_started() {
    let house = warehouse("");
    let outcome = house.run(on(&["--sql", "select 1", "--check"]));
    let survey = outcome.assert_exit(0).json();
    assert_eq!(survey["target"], "cluster analytics, database dev, user etl");
    let found = |name: &str| {
        let checks = survey["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}"))["result"]
            .clone()
    };
    for name in [
        "credentials",
        "redshift-data:DescribeStatement",
        "redshift-data:GetStatementResult",
        "redshift-data:ListStatements",
        "redshift-data:ListDatabases",
    ] {
        assert_eq!(found(name), "ok", "{name}");
    }
    assert_eq!(found("redshift-data:ExecuteStatement"), "not_checked");
    assert_eq!(found("redshift-data:CancelStatement"), "not_checked");
    assert_eq!((house.sent(), house.started()), (0, 0));
    let text = house.run(on(&["--sql", "select 1; select 2", "--check", "--output", "table"]));
    assert!(
        text.assert_exit(0).text().contains("not checked  redshift-data:BatchExecuteStatement"),
        "{}",
        text.text()
    );
}

#[test]
fn what_would_fail_is_found() {
    let without = |line: &'static str| {
        move |world: &str| {
            assert!(world.contains(line));
            world.replace(line, "")
        }
    };
    let describe = without("\n    \"redshift-data:DescribeStatement on *\",");
    altered("", describe)
        .run(on(&["--sql", "select 1", "--check"]))
        .assert_exit(77)
        .assert_says("DescribeStatement");

    let list = without("\n    \"redshift-data:ListStatements on *\",");
    let house = altered("", list);
    house.run(on(&["--sql", "select 1", "--check"])).assert_exit(0);
    let keyed: Vec<&str> = on(&["--sql", "select 1", "--check"]).into_iter().chain(KEY).collect();
    house.run(keyed).assert_exit(77).assert_says("ListStatements");

    // Only the check lists databases; but it is the credentials of the database that it lacks here.
    let databases = without(
        "\n    \"redshift-data:ListDatabases on arn:aws:redshift:us-east-2:222222222222:cluster:analytics\",",
    );
    altered("", databases).run(on(&["--sql", "select 1", "--check"])).assert_exit(0);
    let user = without(
        "\n    \"redshift:GetClusterCredentials on arn:aws:redshift:us-east-2:222222222222:dbuser:analytics/etl\",",
    );
    altered("", user)
        .run(on(&["--sql", "select 1", "--check"]))
        .assert_exit(77)
        .assert_says("dbuser:analytics/etl");
}

#[test]
fn of_the_other_sub_commands() {
    let house = warehouse("");
    house.run(on(&["--sql", "select 1"])).assert_exit(0);
    let id = house.newest();
    for (words, code) in [
        (vec!["list", "--check"], 0),
        (vec!["result", &id, "--check"], 0),
        (vec!["result", "d9b6c0c9-0747-4bf4-b142-e8883122f766", "--check"], 65),
        (vec!["cancel", &id, "--check"], 0),
        (vec!["databases", "--workgroup-name", "adhoc", "--database", "dev", "--check"], 0),
    ] {
        house.run(&words).assert_exit(code);
    }
    assert_eq!((house.started(), house.count("CancelStatement")), (1, 0));
}

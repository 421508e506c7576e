//! Conditions on results.

use super::{on, warehouse};

#[test]
fn numbers_of_rows() {
    let house = warehouse("");
    house.prepare("create table t (i int)");
    let three = "select generate_series(1, 3)";
    for (sql, count, met) in [
        (three, "3", true),
        (three, "1..", true),
        (three, "..2", false),
        (three, "4..9", false),
        ("select 1 where false", "0", true),
        ("select 1 where false", "1..", false),
        ("insert into t values (1), (2)", "2", true),
        ("create table u (i int); drop table u", "0", true),
        ("insert into t values (1), (2); select 1", "1", true),
        ("select 1; select 2; select 3", "3", true),
    ] {
        let outcome = house.run(on(&["--sql", sql, "--expect-rows", count, "--output", "none"]));
        if met {
            outcome.assert_exit(0);
        } else {
            outcome.assert_exit(10).assert_says("rows where --expect-rows wants");
        }
    }
}

#[test]
fn jmespath_on_the_result_whatever_its_form() {
    let house = warehouse("");
    let sql = "select 'orders' as name, 7 as rows; select true as ok";
    for (expression, met) in [
        ("results[0][0].rows > `5`", true),
        ("results[0][0].rows > `7`", false),
        ("results[1][0].ok", true),
        ("length(results) == `2` && status == 'FINISHED'", true),
        ("results[0][0].missing", false),
    ] {
        for output in ["json", "csv", "none"] {
            let outcome = house.run(on(&["--sql", sql, "--expect", expression, "--output", output]));
            if met {
                outcome.assert_exit(0);
            } else {
                outcome.assert_exit(10).assert_says("is not true of the response");
            }
            assert_eq!(outcome.stdout.is_empty(), output == "none", "the result is printed either way");
        }
    }
}

#[test]
fn a_result_that_is_too_long_for_a_condition() {
    let house = warehouse("");
    let sql = "select repeat('x', 60000) as x from generate_series(1, 200)";
    let outcome = house.run(on(&["--sql", sql, "--expect", "results", "--output", "none"]));
    outcome.assert_exit(10).assert_says("longer than the 10 MiB");
    house.run(on(&["--sql", "select 1", "--expect", "a =="])).assert_exit(2).assert_says("no JMESPath");
}

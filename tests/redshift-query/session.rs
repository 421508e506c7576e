//! Sessions that outlive a statement.

use super::{on, warehouse};

#[test]
fn a_session_is_kept_and_used_again() {
    let house = warehouse("");
    let sql = "create temporary table mine as select 42 as answer";
    let first = house.run(on(&["--sql", sql, "--session-keep-alive", "10m"]));
    let session = first.assert_exit(0).json()["session_id"].as_str().unwrap().to_owned();
    first.assert_says(&session);
    let again = house.run(["--session-id", &session, "--sql", "select answer from mine", "--output", "csv"]);
    super::assert_stdout(again.assert_exit(0), "answer\n42\n");
    // Elsewhere the table is not there.
    house.run(on(&["--sql", "select answer from mine"])).assert_exit(10);
}

#[test]
fn a_session_that_is_gone() {
    let house = warehouse("");
    let session = "d9b6c0c9-0747-4bf4-b142-e8883122f766";
    let outcome = house.run(["--session-id", session, "--sql", "select 1"]);
    outcome.assert_exit(65).assert_says("Session does not exist").assert_says(session);
}

#[test]
fn too_many_sessions_are_waited_for() {
    let house = warehouse("session_limit = 1\n");
    let first = house.run(on(&["--sql", "select 1", "--session-keep-alive", "1h"]));
    first.assert_exit(0);
    let outcome = house.run(on(&["--sql", "select 1", "--session-keep-alive", "1h", "--timeout", "4s"]));
    outcome.assert_exit(75).assert_says("ActiveSessionsExceededException").assert_says("trying again");
    assert_eq!(house.started(), 1);
}

//! x
testkit::contract!("mwaa-token", ["environments"]);

//! Behaviour tests: the real binary as a process, over the wire, in an empty environment.
//!
//! A [`Site`] is where a binary runs: a sandbox with its world, a folder, the environment. [`Site::run`] runs the
//! binary there to its end; [`Site::start`] gives a [`Running`] process to signal and to kill. Every [`Outcome`] has
//! been searched for the secrets of its world before a test sees it.
//!
//! ```no_run
//! let site = testkit::Site::documented("target/debug/glue-trigger");
//! let outcome = site.run(["--job-name", "nightly-etl"]);
//! outcome.assert_exit(0);
//! assert_eq!(site.sandbox.started("nightly-etl"), 1);
//! ```
//!
//! [`Postgres`] is a throw-away server for the sandbox to run SQL on; [`Database`] is one as RDS runs it, with TLS and
//! IAM authentication. [`Moto`] is an AWS that nobody here wrote.
//!
//! [`contract!`] gives a binary the promises that all of them share.

// Test support: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::missing_panics_doc)]

mod authority;
pub mod contract;
mod database;
mod effects;
mod moto;
mod outcome;
mod postgres;
mod process;
pub mod remote_contract;
mod server;
mod site;

pub use database::{Database, DatabaseSettings, Held, Tls};
pub use moto::Moto;
pub use outcome::Outcome;
pub use postgres::Postgres;
pub use process::Running;
pub use rustix::process::Signal;
pub use sandbox::{
    Call, Course, Effects, Fault, FaultKind, LoginRefusal, Sandbox, Step, Work, WorkKind, World,
};
pub use server::Shutdown;
pub use site::{Site, Worlds};

/// Tests of what every binary promises: help, version, usage, profiles that fail closed, hops that are named,
/// signals, the termination message, and no secret anywhere.
///
/// `contract!("glue-trigger", ["--job-name", "nightly-etl"])`: the binary, and arguments with which it does some
/// work in the documented world. A function `fn(Site) -> Site` may follow, for what else its place needs.
#[macro_export]
macro_rules! contract {
    ($binary:literal, $args:expr) => {
        $crate::contract!($binary, $args, ::std::convert::identity);
    };
    ($binary:literal, $args:expr, $place:expr) => {
        mod contract {
            const SUBJECT: $crate::contract::Subject<'static> = $crate::contract::Subject {
                name: $binary,
                path: env!(concat!("CARGO_BIN_EXE_", $binary)),
                args: &$args,
                place: $place,
            };
            $crate::contract!(@tests SUBJECT:
                help_shows_every_option_with_its_variable
                version_is_told
                help_beside_other_options_ends_in_2_before_any_call
                a_wrong_option_ends_in_2_before_any_call
                a_wrong_variable_ends_in_2_and_is_named
                an_empty_variable_counts_as_unset
                a_profile_that_is_not_there_never_means_another_identity
                the_first_hop_is_named
                the_second_hop_is_named
                another_account_than_expected_is_refused_before_any_other_call
                a_signal_while_credentials_are_awaited_ends_in_143
                a_signal_reaches_process_1_of_a_container
                a_second_signal_ends_at_once
                no_core_dump_is_written
                the_termination_message_is_short_and_its_failure_is_harmless
                no_secret_is_told_at_any_level
                the_resolved_chain_is_logged
                credentials_of_the_container_are_never_fetched_through_a_proxy
                a_pipe_in_place_of_a_token_file_is_refused
                a_configuration_file_that_blocks_does_not_block_the_signals
                a_termination_log_that_cannot_be_written_is_logged
                a_termination_log_is_not_written_through_the_link_of_another_user
            );
        }
    };
    (@tests $subject:ident: $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $crate::contract::$test(&$subject);
            }
        )*
    };
}

/// Tests of what every runner of remote work promises: one start for a key, the wait resumed, other work refused,
/// signals, the deadline, `--cancel`. Takes a [`remote_contract::Runner`].
#[macro_export]
macro_rules! remote_contract {
    ($name:ident, $runner:expr) => {
        mod $name {
            use super::*;

            $crate::remote_contract!(@tests $runner;
                work_of_a_key_is_started_once
                pending_work_is_resumed
                a_failure_is_reported_or_started_again
                other_work_of_the_key_is_refused
                killed_at_every_point_it_starts_once
                two_processes_at_once
                a_lost_response_to_the_start
                a_signal_with_a_key
                a_signal_without_a_key
                a_signal_after_the_end
                a_signal_while_the_start_is_in_flight
                the_deadline_leaves_work_running
                the_work_of_a_key_can_be_cancelled
            );
        }
    };
    (@tests $runner:expr; $($test:ident)+) => {
        $(
            #[test]
            fn $test() {
                $crate::remote_contract::$test(&$runner);
            }
        )+
    };
}

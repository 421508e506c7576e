//! The AWS CLI's config file: any text is read, or refused with an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    futures_executor::block_on(chained_credentials::fuzzing::config_file(text));
});

//! What a client of the proxy sends first: any bytes are a request, or refused with an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(rds_connect::fuzzing::startup_packet(bytes));
});

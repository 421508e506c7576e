//! The lines of a batch: none is longer than the limit, however the input is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (limit, bytes) = input;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let limit = usize::from(limit);
    for line in runtime.block_on(fan_out::fuzzing::lines(bytes, limit)) {
        assert!(line.len() <= limit);
    }
});

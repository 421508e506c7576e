//! A page of a Redshift result: any bytes are rows, or refused with an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| redshift_query::fuzzing::page(body));

//! A kubeconfig of a user's: what is merged into it can be merged into it again and changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(merged) = eks_token::fuzzing::merge(text) {
        assert_eq!(eks_token::fuzzing::merge(&merged).as_deref(), Some(merged.as_str()));
    }
});

//! `--assume-role`: what is understood is understood the same way after it has been written out, as for a kubeconfig.
#![no_main]

use chained_credentials::RoleSpec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(role) = text.parse::<RoleSpec>() {
        let again = role.to_string().parse::<RoleSpec>();
        assert_eq!(again.as_ref(), Ok(&role), "{role}");
    }
});

//! Answers that are almost right: what a service, a gateway or a broken disk might make of one.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// How deep a value is put into lists: parsers that recurse have a limit (`serde_json`'s is 128).
const DEEP: usize = 200;

/// The body, changed in one to three places; the same `seed` changes the same body in the same way.
pub(crate) fn mutated(body: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(seed);
    // One of four keeps no form at all, so that JSON is also hit between its tokens.
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) if random.u8(..4) > 0 => {
            for _ in 0..random.usize(1..=3) {
                change(&mut value, &mut random);
            }
            value.to_string().into_bytes()
        }
        _ => {
            let mut body = body.to_vec();
            for _ in 0..random.usize(1..=3) {
                disturb(&mut body, &mut random);
            }
            body
        }
    }
}

/// Changes the value, or something in it.
fn change(value: &mut Value, random: &mut Rng) {
    let goes_in = random.u8(..5) > 0;
    match value {
        Value::Object(fields) if goes_in && !fields.is_empty() => change_field(fields, random),
        Value::Array(items) if goes_in && !items.is_empty() => {
            let at = random.usize(..items.len());
            match random.u8(..4) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => change(&mut items[at], random),
            }
        }
        _ => *value = other(value, random),
    }
}

fn change_field(fields: &mut Map<String, Value>, random: &mut Rng) {
    let at = random.usize(..fields.len());
    let Some(name) = fields.keys().nth(at).cloned() else { return };
    match random.u8(..4) {
        0 => drop(fields.remove(&name)),
        1 => {
            let value = fields.remove(&name).unwrap_or_default();
            fields.insert(format!("{name}\u{0}"), value);
        }
        _ => {
            if let Some(value) = fields.get_mut(&name) {
                change(value, random);
            }
        }
    }
}

/// What might stand in place of a value.
fn other(value: &Value, random: &mut Rng) -> Value {
    match random.u8(..12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(1e308),
        4 => json!(u64::MAX),
        5 => json!(""),
        6 => json!("\u{0}\u{1b}[31m\r\n\u{202e}\u{feff}"),
        7 => json!("x".repeat(100_000)),
        8 => json!([value]),
        9 => json!({ "": value }),
        10 => (0..DEEP).fold(value.clone(), |inner, _| json!([inner])),
        _ => json!(value.to_string()),
    }
}

/// Changes some bytes.
fn disturb(body: &mut Vec<u8>, random: &mut Rng) {
    let from = random.usize(..=body.len());
    let to = random.usize(from..=body.len());
    match random.u8(..5) {
        0 => drop(body.drain(from..to)),
        1 => body.truncate(from),
        2 => body.insert(from, random.u8(..)),
        // No UTF-8 has it.
        3 => body.insert(from, 0xff),
        _ => {
            let piece = body[from..to].to_vec();
            body.extend(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_changes_a_body_in_its_way() {
        let body = br#"{"JobRun": {"Id": "jr_1", "JobRunState": "RUNNING", "Attempt": 0, "Tags": [1, 2]}}"#;
        let all: Vec<_> = (0..200).map(|seed| mutated(body, seed)).collect();
        assert_eq!(all, (0..200).map(|seed| mutated(body, seed)).collect::<Vec<_>>());
        let still_json = all.iter().filter(|body| serde_json::from_slice::<Value>(body).is_ok()).count();
        assert!((50..190).contains(&still_json), "{still_json} of 200 are JSON still");
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert!(distinct.len() > 100, "{}", distinct.len());
        for body in [&b""[..], b"[]", b"{}", b"\xff", b"<Answer/>"] {
            for seed in 0..50 {
                mutated(body, seed);
            }
        }
    }
}

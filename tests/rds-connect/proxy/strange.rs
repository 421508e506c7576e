//! Clients that are broken, hostile or no clients at all: the proxy lives on.

use std::thread;
use std::time::{Duration, Instant};

use testkit::Database;

use super::crowd::rss_kib;
use super::wire::{CANCEL, GSS, TLS, VERSION, body, message, packet};
use super::{Proxy, text, wait_until};
use crate::world;

const IAM: [(&str, &str); 2] = [("user", Database::IAM_USER), ("database", Database::NAME)];

#[test]
fn what_is_no_beginning_is_refused_at_once() {
    let world = world();
    let proxy = Proxy::by_token(&world, &[]);
    let requests = packet(TLS, b"").repeat(1000);
    let long = body(&[("user", &"x".repeat(64 * 1024))]);
    let garbage: Vec<u8> =
        (0..100_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0] | 1).collect();
    for (bytes, code) in [
        (b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n".to_vec(), "C08P01"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), "C08P01"),
        (garbage, "C08P01"),
        (packet(VERSION, &long), "C08P01"),
        (vec![0; 4], "C08P01"),
        (b"\0\0\0\x07".to_vec(), "C08P01"),
        (b"\xff\xff\xff\xff".to_vec(), "C08P01"),
        (b"\x7f\xff\xff\xff\0\x03\0\0".to_vec(), "C08P01"),
        (packet(VERSION, b"user\0app"), "C08P01"),
        (packet(VERSION, b"user\0\xff\xfe\0\0"), "C08P01"),
        (packet(2 << 16, &body(&IAM)), "C0A000"),
        (packet(9 << 16, &body(&IAM)), "C0A000"),
        (packet(TLS, b"more"), "C0A000"),
        (packet(CANCEL, b"four"), "C08P01"),
        (requests, "C08P01"),
    ] {
        let since = Instant::now();
        let mut wire = proxy.wire();
        wire.try_send(&bytes);
        // In front of the error there may be the answers to requests for TLS.
        let told = wire.all();
        assert!(told.contains(code), "{:?}: {told}", &bytes[..bytes.len().min(20)]);
        assert!(since.elapsed() < Duration::from_secs(5));
    }
    let mut wire = proxy.wire();
    for code in [GSS, TLS, GSS] {
        wire.decline(code);
    }
    assert!(wire.last_words().contains("again and again"));
    assert_eq!(text(&proxy.psql(&world.database, "select 1")), "1");
    let counts = proxy.counts();
    assert_eq!((&counts["sessions"], &counts["refused"]), (&1.into(), &16.into()), "{counts}");
    assert_eq!(world.site.sandbox.logins().len(), 1, "nobody logs in for them");
}

#[test]
fn one_that_says_half_of_it_or_is_slow_has_ten_seconds() {
    let world = world();
    let proxy = Proxy::by_token(&world, &[]);
    let whole = packet(VERSION, &body(&IAM));
    let since = Instant::now();
    let mut half = proxy.wire();
    half.send(&whole[..20]);
    let mut silent = proxy.wire();
    let mut slow = proxy.wire();
    let mut sent = 0;
    while since.elapsed() < Duration::from_secs(13) && slow.try_send(&whole[sent..=sent]) {
        sent += 1;
        if sent == whole.len() - 1 {
            break;
        }
        // Others are not held up.
        if sent % 10 == 0 {
            assert_eq!(text(&proxy.psql(&world.database, "select 1")), "1");
        }
        thread::sleep(Duration::from_millis(300));
    }
    for wire in [&mut half, &mut silent, &mut slow] {
        let told = wire.last_words();
        assert!(told.contains("C08P01") && told.contains("within 10 s"), "{told}");
    }
    assert!((Duration::from_secs(9)..Duration::from_secs(25)).contains(&since.elapsed()));
    // One that goes in the middle of it leaves nothing.
    let mut gone = proxy.wire();
    gone.send(&whole[..20]);
    gone.finish();
    assert_eq!(gone.next(), None);
    proxy.counts();
}

#[test]
fn one_that_never_reads_costs_no_memory() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--drain-timeout", "0s"]);
    let before = rss_kib(proxy.running.id());
    let mut readers: Vec<_> = (0..10).map(|_| proxy.session()).collect();
    for wire in &mut readers {
        // 200 MiB each.
        wire.query("select repeat('x', 100000) from generate_series(1, 2000)");
    }
    thread::sleep(Duration::from_secs(2));
    // Nor does one that sends without end to a server that does not read.
    let mut sender = proxy.session();
    sender.send(&message(b'Q', b"select pg_sleep(60)\0"));
    let stuffing = message(b'Q', &[b" ".repeat(1_000_000), b"\0".to_vec()].concat());
    sender.limit_sending(Duration::from_secs(1));
    for _ in 0..50 {
        if !sender.try_send(&stuffing) {
            break;
        }
    }
    let grown = rss_kib(proxy.running.id()).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    assert_eq!(text(&proxy.psql(&world.database, "select 1")), "1");
    proxy.end().assert_exit(143);
}

#[test]
fn one_that_goes_without_a_word_leaves_its_place() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--max-connections", "2"]);
    for _ in 0..6 {
        let mut session = proxy.session();
        session.send(&message(b'Q', b"select 1\0")[..8]);
    }
    let sql = "select count(*) from pg_stat_activity where usename = 'iam_demo_user'";
    wait_until("their connections are gone", || world.database.psql(&["-At", "-c", sql]) == "0\n");
    let counts = proxy.counts();
    assert_eq!((&counts["sessions"], &counts["broken"]), (&6.into(), &0.into()), "{counts}");
}

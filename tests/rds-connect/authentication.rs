//! Who proves what to whom: impostors that a server's name is not checked against, and libpq's `require_auth` and
//! `channel_binding`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use testkit::{Database, Outcome, Tls};

use crate::{World, replaced, without, world, world_with};

/// What an impostor got, byte by byte.
type Got = Arc<Mutex<Vec<u8>>>;

const OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";
const READY: &[u8] = b"Z\0\0\0\x05I";

/// A server without TLS that knows no password: `speak` gets each client once it has sent its start-up packet.
fn impostor(speak: fn(&mut Client)) -> (u16, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Got::default();
    let shared = Arc::clone(&got);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut client = Client { stream: stream.unwrap(), got: Arc::clone(&shared) };
            client.hear();
            speak(&mut client);
            // Until the client closes.
            while !client.hear().is_empty() {}
        }
    });
    (port, got)
}

struct Client {
    stream: TcpStream,
    got: Got,
}

impl Client {
    /// What the client sends at once; nothing where it has closed.
    fn hear(&mut self) -> Vec<u8> {
        let mut chunk = [0; 4096];
        let length = self.stream.read(&mut chunk).unwrap_or(0);
        self.got.lock().unwrap().extend_from_slice(&chunk[..length]);
        chunk[..length].to_vec()
    }

    fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// An authentication message: its code and what follows.
    fn ask(&mut self, code: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + body.len()).unwrap().to_be_bytes();
        self.say(&[b"R", &length[..], &[0, 0, 0, code], body].concat());
        self.hear()
    }
}

/// Accepts after a SCRAM exchange of which it leaves its own proof out.
fn without_proof(client: &mut Client) {
    let first = client.ask(10, b"SCRAM-SHA-256\0\0");
    let text = String::from_utf8_lossy(&first).into_owned();
    let nonce = text.split("r=").nth(1).unwrap();
    client.ask(11, format!("r={nonce}server,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096").as_bytes());
    client.say(&[OK, READY].concat());
}

fn in_clear_text(client: &mut Client) {
    client.ask(3, b"");
    client.say(&[OK, READY].concat());
}

fn without_anything(client: &mut Client) {
    client.say(&[OK, READY].concat());
}

/// Asks for the password once it has accepted.
fn afterwards(client: &mut Client) {
    client.say(OK);
    client.ask(3, b"");
}

/// Runs a query at an impostor, without TLS and with a password.
fn ask(world: &World, port: u16, more: &[&str]) -> Outcome {
    let password = world.site.write("password", Database::PASSWORD).display().to_string();
    let mut args = without(replaced(world.way(), "--port", &port.to_string()), "--ssl-root-cert");
    args.extend(
        ["--user", "app", "--sslmode", "disable", "--password-file", &password, "--read-timeout", "5s"]
            .map(str::to_owned),
    );
    args.extend(["query", "--sql", "select 'secret statement'"].map(str::to_owned));
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    world.site.run(args)
}

fn has(got: &Got, text: &str) -> bool {
    got.lock().unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_server_that_does_not_prove_itself_is_refused() {
    let world = world_with(Tls::Off);
    for (speak, exit, says) in [
        (without_proof as fn(&mut Client), 77, "the server did not prove that it knows the password"),
        (in_clear_text, 78, "which --require-auth does not allow; nothing was sent to it"),
        (afterwards, 78, "out of turn"),
    ] {
        let (port, got) = impostor(speak);
        let outcome = ask(&world, port, &[]);
        outcome.assert_exit(exit).assert_says(says);
        assert!(!has(&got, Database::PASSWORD), "the impostor has the password");
        assert!(!has(&got, "secret statement"), "the impostor has the statement");
    }
}

#[test]
fn require_auth_decides_which_proofs_there_may_be() {
    let world = world_with(Tls::Off);
    // As libpq, a server may let in without any proof, unless that is excluded.
    for (options, sent) in [
        (&["--require-auth", "none"][..], true),
        (&[], true),
        (&["--require-auth", "!none"], false),
        (&["--require-auth", "scram-sha-256"], false),
    ] {
        let (port, got) = impostor(without_anything);
        let outcome = ask(&world, port, &[options, &["--timeout", "4s"]].concat());
        assert_eq!(has(&got, "secret statement"), sent, "{options:?}: {}", outcome.stderr);
        if !sent {
            outcome.assert_exit(78).assert_says("without any proof, which --require-auth does not allow");
        }
    }
    // Whoever says so gets it.
    let (port, got) = impostor(in_clear_text);
    ask(&world, port, &["--require-auth", "password", "--timeout", "4s"]);
    assert!(has(&got, Database::PASSWORD));
    ask(&world, port, &["--require-auth", "scram"]).assert_exit(2).assert_says("known methods are password");
}

/// Options of a login by password, for the real server.
fn by_password(world: &World, more: &[&str]) -> Vec<String> {
    let password = world.site.write("password", Database::PASSWORD).display().to_string();
    let mut args = world.way();
    args.extend(["--user", Database::USER, "--password-file", &password, "check"].map(str::to_owned));
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    args
}

#[test]
fn the_proof_is_bound_to_the_tls_connection() {
    let world = world();
    let bound = "asked for SCRAM-SHA-256, bound to the TLS connection";
    for (options, is_bound) in [
        (&[][..], true),
        (&["--channel-binding", "require", "--require-auth", "scram-sha-256"], true),
        // Below verify-full it is what keeps an impostor in between out.
        (&["--sslmode", "require", "--channel-binding", "require"], true),
        (&["--channel-binding", "disable"], false),
    ] {
        let outcome = world.site.run(by_password(&world, options));
        outcome.assert_exit(0);
        let auth = outcome.json()["stages"][4]["detail"].to_string();
        assert_eq!(auth.contains(bound), is_bound, "{options:?}: {auth}");
    }
    // A token is sent in clear text, which binds nothing.
    let outcome = world.run(&["check", "--channel-binding", "require"]);
    outcome.assert_exit(78).assert_says("--channel-binding require cannot be met");
    world.run(&["check", "--require-auth", "scram-sha-256"]).assert_exit(78).assert_says("nothing was sent");
    assert_eq!(world.site.sandbox.logins().len(), 0, "a token was sent");

    let plain = world_with(Tls::Off);
    let options = ["--sslmode", "disable", "--channel-binding", "require"];
    plain.site.run(by_password(&plain, &options)).assert_exit(78).assert_says("there is no TLS connection");
    plain.site.run(by_password(&plain, &["--sslmode", "disable"])).assert_exit(0);
}

#[test]
fn a_token_goes_only_to_a_server_that_is_verified() {
    let world = world_with(Tls::OtherAuthority);
    let args = without(world.by_token(&["check", "--sslmode", "require"]), "--ssl-root-cert");
    let outcome = world.site.run(args.clone());
    outcome.assert_exit(78).assert_says("--sslmode verify-full").assert_says("gets no token in clear text");
    assert_eq!(world.site.sandbox.logins().len(), 0, "a token was sent");
    let args = args.into_iter().chain(["--require-auth", "password"].map(str::to_owned));
    world.site.run(args).assert_exit(0);
}

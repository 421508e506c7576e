//! Unix sockets.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use testkit::{Database, Signal};

use super::wire::Wire;
use super::{complaint, text};
use crate::world;

fn args(world: &crate::World, listen: &str) -> Vec<String> {
    world.by_token(&["proxy", "--listen", listen])
}

#[test]
fn psql_finds_the_socket_in_its_folder() {
    let world = world();
    let folder = world.site.path("run");
    fs::create_dir(&folder).unwrap();
    let other = world.site.path("other.sock");
    let listen = format!("{},{}", folder.display(), other.display());
    let running = world.site.start(args(&world, &listen));
    running.wait_for_log("other.sock");
    let mut psql = world.database.client("psql", Database::IAM_USER, "");
    psql.env("PGHOST", &folder).env("PGPORT", "5432").env_remove("PGHOSTADDR").env_remove("PGSSLMODE");
    psql.args(["-X", "-At", "-c", "select current_user"]);
    assert_eq!(text(&psql.output().unwrap()), Database::IAM_USER);
    let socket = folder.join(".s.PGSQL.5432");
    // Containers of a pod have users of their own.
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o777);
    let mut wire = Wire::unix(&other);
    wire.begin(&[("user", Database::IAM_USER), ("database", "mydb")]);
    wire.ready();
    drop(wire);
    // Nobody takes the place of one that is there.
    let outcome = world.site.run(args(&world, &folder.display().to_string()));
    outcome.assert_exit(78).assert_says("could not listen on ").assert_says(".s.PGSQL.5432");
    assert_eq!(text(&psql.output().unwrap()), Database::IAM_USER);
    // One that was killed leaves its socket, and another takes its place.
    running.kill();
    assert!(socket.exists());
    assert!(complaint(&psql.output().unwrap()).contains("Connection refused"));
    let running = world.site.start(args(&world, &folder.display().to_string()));
    running.wait_for_log("\"listening\"");
    assert_eq!(text(&psql.output().unwrap()), Database::IAM_USER);
    running.signal(Signal::TERM);
    running.finish().assert_exit(0);
    assert!(!socket.exists(), "it takes its socket away");
}

#[test]
fn no_other_file_is_ever_replaced() {
    let world = world();
    let file = world.site.write("precious", "data");
    let link = world.site.path("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let outcome = world.site.run(args(&world, &path.display().to_string()));
        outcome.assert_exit(78).assert_says("could not listen on ");
        assert_eq!(fs::read_to_string(path).unwrap(), "data");
    }
    let outcome = world.site.run(args(&world, "/nowhere/at/all.sock"));
    outcome.assert_exit(78).assert_says("/nowhere/at/all.sock");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    world.site.run(args(&world, &address)).assert_exit(78).assert_says(&address);
}

#[test]
fn the_mode_of_nothing_else_is_changed() {
    let mut world = world();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/rds-connect/proxy/swap_link.c");
    let library = world.site.path("swap_link.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).arg("-ldl");
    assert!(cc.status().expect("a C compiler, as ring needs one too").success());
    let file = world.site.write("precious", "data");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    world = world.env("LD_PRELOAD", library.display().to_string());
    world = world.env("SWAP_TARGET", file.display().to_string());
    let socket = world.site.path("proxy.sock");
    let running = world.site.start(args(&world, &socket.display().to_string()));
    running.wait_for_log("\"listening\"");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777, 0o777);
    running.signal(Signal::TERM);
    running.finish().assert_exit(0);
}

#[test]
fn at_its_end_it_removes_its_own_socket_only() {
    let world = world();
    let socket = world.site.path("proxy.sock");
    let start = || {
        let running = world.site.start(args(&world, &socket.display().to_string()));
        running.wait_for_log("\"listening\"");
        running
    };
    let end = |running: testkit::Running<'_>| {
        running.signal(Signal::TERM);
        running.finish().assert_exit(0);
    };
    // A file that somebody has put in its place, and the socket of another server.
    let running = start();
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "data").unwrap();
    end(running);
    assert_eq!(fs::read_to_string(&socket).unwrap(), "data");
    fs::remove_file(&socket).unwrap();
    let running = start();
    fs::remove_file(&socket).unwrap();
    let other = UnixListener::bind(&socket).unwrap();
    end(running);
    assert!(socket.exists());
    drop(other);
}

#[test]
fn the_socket_of_another_user_is_not_replaced() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can give a file away.
        return;
    }
    let world = world();
    let socket = world.site.path("proxy.sock");
    // A server that was killed has left it.
    drop(UnixListener::bind(&socket).unwrap());
    chown(&socket, Some(12345), None).unwrap();
    let outcome = world.site.run(args(&world, &socket.display().to_string()));
    outcome.assert_exit(78).assert_says("user 12345").assert_says(&socket.display().to_string());
    assert!(socket.exists());
}

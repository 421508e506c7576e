//! What is in the images.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use deploy::container::{VERSION, binary, engine, image};
use deploy::{binaries, judge, read, root, run};
use serde_json::{Value, json};

fn podman(arguments: &[&str]) -> String {
    run(engine("podman").args(arguments)).unwrap_or_else(|said| panic!("podman {arguments:?}: {said}"))
}

fn inspect(image: &str) -> Value {
    let text = podman(&["image", "inspect", image]);
    serde_json::from_str::<Value>(&text).expect("JSON")[0].clone()
}

/// Every file of an image with its size.
fn files(image: &str) -> Vec<(PathBuf, u64)> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<(PathBuf, u64)>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let data = path.symlink_metadata().expect("metadata");
            if data.is_dir() {
                walk(root, &path, found);
            } else {
                found.push((Path::new("/").join(path.strip_prefix(root).expect("below")), data.len()));
            }
        }
    }
    let mounted = podman(&["image", "mount", image]);
    let mut found = Vec::new();
    walk(Path::new(mounted.trim()), Path::new(mounted.trim()), &mut found);
    podman(&["image", "unmount", image]);
    found.sort();
    found
}

#[test]
fn an_image_holds_the_binary_two_licences_and_a_user() {
    for name in binaries() {
        let image = image(&name);
        let files = files(&image);
        let paths: Vec<&str> = files.iter().map(|(path, _)| path.to_str().expect("UTF-8")).collect();
        assert_eq!(
            paths,
            ["/etc/passwd", "/job-runner", "/licenses/LICENSE-APACHE", "/licenses/LICENSE-MIT"],
            "{name}"
        );
        let own = std::fs::metadata(binary(&name)).expect("make static").len();
        let total: u64 = files.iter().map(|(_, size)| size).sum();
        assert!(total - own <= 64 << 10, "{name}: {total} bytes around a binary of {own}");
        // What a registry stores, archive and description included.
        let stored = inspect(&image)["Size"].as_u64().expect("a size");
        assert!(stored - own <= 64 << 10, "{name}: an image of {stored} bytes around a binary of {own}");
    }
}

#[test]
fn an_image_runs_its_binary_as_a_number_without_a_shell() {
    for name in binaries() {
        let about = inspect(&image(&name));
        let config = &about["Config"];
        assert_eq!(config["User"], "65532:65532", "{name}");
        assert_eq!(config["Entrypoint"], json!(["/job-runner"]), "{name}: an exec form passes signals on");
        assert_eq!(config["Cmd"], Value::Null, "{name}");
        let labels = &config["Labels"];
        assert_eq!(labels["org.opencontainers.image.title"], name.as_str());
        assert_eq!(labels["org.opencontainers.image.version"], VERSION);
        assert_eq!(labels["org.opencontainers.image.licenses"], "MIT OR Apache-2.0");
        assert!(
            labels["org.opencontainers.image.revision"].as_str().is_some_and(|hash| hash.len() == 40),
            "{labels}"
        );
        assert_eq!(
            podman(&["run", "--rm", "--network=none", &image(&name), "--version"]).split(' ').next(),
            Some(&*name)
        );
    }
}

#[test]
fn the_same_binary_makes_the_same_image() {
    let name = &binaries()[0];
    let build = |tag: &str| {
        let mut make = engine("buildah");
        make.args(["build", "--quiet", "--pull-never", "--isolation", "chroot", "--timestamp", "1700000000"]);
        make.args(["-f", "images/Dockerfile", "--build-arg", "SOURCE=prebuilt", "--build-arg"]);
        make.arg(format!("BIN={name}")).args([
            "--build-arg",
            "VERSION=1",
            "--build-arg",
            "REVISION=2",
            "-t",
            tag,
            ".",
        ]);
        run(&mut make).unwrap_or_else(|said| panic!("{said}"));
        let id = inspect(tag)["Id"].clone();
        podman(&["rmi", tag]);
        id
    };
    assert_eq!(build("localhost/same:1"), build("localhost/same:2"));
}

#[test]
fn the_passwd_line_names_the_number() {
    assert_eq!(read("images/passwd").split(':').nth(2), Some("65532"));
}

#[test]
fn the_dockerfile_is_well_kept() {
    let said =
        run(judge("hadolint").args(["--failure-threshold", "style"]).arg(root().join("images/Dockerfile")));
    assert_eq!(said, Ok(String::new()));
}

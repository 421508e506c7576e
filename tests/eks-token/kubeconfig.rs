//! `kubeconfig`: a file of people's, with more in it than ours.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::process::Command;
use std::time::{Duration, SystemTime};

use testkit::{Signal, Worlds};

use crate::{ARN, in_world, kubeconfig, kubeconfig_file, site, write_kubeconfig};

const THEIRS: &str = "\
# a comment
apiVersion: v1
kind: Config
clusters:
- name: theirs
  cluster: {server: 'https://theirs', proxy-url: 'http://proxy'}
contexts:
- name: theirs
  context: {cluster: theirs, user: theirs, namespace: team}
users:
- name: theirs
  user: {token: '0123'}
current-context: theirs
";

#[test]
fn a_new_kubeconfig_is_for_its_owner_alone() {
    let site = site();
    let told = write_kubeconfig(&site, &[]).assert_exit(0).json();
    assert_eq!(
        (&told["action"], &told["context"], &told["user"]),
        (&"added".into(), &ARN.into(), &ARN.into())
    );
    let file = kubeconfig_file(&site);
    assert_eq!(told["kubeconfig"], file.display().to_string());
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
    let left: Vec<_> =
        fs::read_dir(file.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["config"], "no lock, no half file");
    let config = kubeconfig(&site);
    assert_eq!(config["current-context"], ARN);
    let exec = &config["users"][0]["user"]["exec"];
    assert_eq!(exec["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(exec["command"], "eks-token");

    let again = write_kubeconfig(&site, &["--output", "text"]);
    assert_eq!(again.assert_exit(0).text(), format!("updated context {ARN} in {}\n", file.display()));
    assert_eq!(kubeconfig(&site), config);
}

#[test]
fn what_is_there_stays() {
    let site = site();
    let file = site.write("theirs", THEIRS);
    let path = file.display().to_string();
    write_kubeconfig(
        &site,
        &["--kubeconfig", &path, "--alias", "target", "-n", "apps", "--keep-current-context"],
    )
    .assert_exit(0);
    let merged: serde_yaml_ng::Value = serde_yaml_ng::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let theirs: serde_yaml_ng::Value = serde_yaml_ng::from_str(THEIRS).unwrap();
    for list in ["clusters", "contexts", "users"] {
        assert_eq!(merged[list][0], theirs[list][0], "{list}");
        assert_eq!(merged[list].as_sequence().unwrap().len(), 2);
    }
    assert_eq!(merged["current-context"], "theirs");
    assert_eq!(merged["contexts"][1]["context"]["namespace"], "apps");
    assert_eq!(
        (&merged["contexts"][1]["name"], &merged["users"][1]["name"]),
        (&"target".into(), &"target".into())
    );
}

#[test]
fn of_several_files_the_one_that_has_the_cluster_is_changed() {
    let site = site();
    let (first, second) = (site.write("first", ""), site.write("second", THEIRS));
    let list = format!("{}:{}", first.display(), second.display());
    write_kubeconfig(&site, &["--kubeconfig", &second.display().to_string()]).assert_exit(0);
    let site = site.env("KUBECONFIG", list);
    assert_eq!(
        write_kubeconfig(&site, &[]).assert_exit(0).json()["kubeconfig"],
        second.display().to_string()
    );
    assert_eq!(fs::read_to_string(&first).unwrap(), "");
    fs::write(&second, THEIRS).unwrap();
    assert_eq!(write_kubeconfig(&site, &[]).assert_exit(0).json()["kubeconfig"], first.display().to_string());
}

#[test]
fn a_link_stays_a_link() {
    let site = site();
    let file = site.write("real", THEIRS);
    let link = site.path("link");
    symlink(&file, &link).unwrap();
    write_kubeconfig(&site, &["--kubeconfig", &link.display().to_string()]).assert_exit(0);
    assert!(link.is_symlink() && !file.is_symlink());
    assert!(fs::read_to_string(&file).unwrap().contains(ARN));
}

#[test]
fn the_target_of_a_dangling_link_is_created() {
    let site = site();
    let (target, link, first) = (site.path("new/config"), site.path("link"), site.path("first"));
    symlink("new/config", &link).unwrap();
    symlink(&link, &first).unwrap();
    write_kubeconfig(&site, &["--kubeconfig", &first.display().to_string()]).assert_exit(0);
    assert!(first.is_symlink() && link.is_symlink() && !target.is_symlink());
    assert!(fs::read_to_string(&target).unwrap().contains(ARN));
    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn owner_and_mode_are_kept() {
    let site = site();
    let file = site.write("shared", THEIRS);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&file, Some(65532), Some(65533)).unwrap();
    }
    let before = fs::metadata(&file).unwrap();
    write_kubeconfig(&site, &["--kubeconfig", &file.display().to_string()]).assert_exit(0);
    let after = fs::metadata(&file).unwrap();
    assert_ne!(before.ino(), after.ino(), "it is replaced as a whole");
    assert_eq!((before.mode(), before.uid(), before.gid()), (after.mode(), after.uid(), after.gid()));
}

/// A device, a pipe, a directory: refused at once, and nothing is sent.
#[test]
fn only_a_regular_file_is_replaced() {
    let site = site();
    let pipe = site.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let link = site.path("link");
    symlink(&pipe, &link).unwrap();
    let device = site.path("null");
    // Not the real one: a failure of this test must not break the machine.
    let is_root = Command::new("mknod").arg(&device).args(["c", "1", "3"]).status().unwrap().success();
    let directory = site.path("directory");
    fs::create_dir(&directory).unwrap();
    let paths = [Some(&pipe), Some(&link), Some(&directory), is_root.then_some(&device)];
    for path in paths.into_iter().flatten() {
        let path = path.display().to_string();
        let outcome = write_kubeconfig(&site, &["--kubeconfig", &path]);
        outcome.assert_exit(2).assert_says("not a regular file").assert_says(&path);
    }
    let list = format!("{}:{}", site.path("new").display(), pipe.display());
    let site = site.env("KUBECONFIG", list);
    write_kubeconfig(&site, &[]).assert_exit(2).assert_says("not a regular file").assert_says("KUBECONFIG");
    assert!(site.sandbox.calls().is_empty(), "{:#?}", site.sandbox.calls());
    let kind = |path| fs::symlink_metadata(path).unwrap().file_type();
    assert!(kind(&pipe).is_fifo() && (!is_root || kind(&device).is_char_device()));
}

/// A file that is a mount of its own, as Docker and Kubernetes mount single files, cannot be replaced by another.
#[test]
fn a_file_that_is_a_mount_is_written_in_place() {
    let site = site();
    let (file, target) = (site.write("mounted", THEIRS), site.write("target", &"#".repeat(20_000)));
    let binary = std::path::absolute(crate::BINARY).unwrap();
    let script = format!(
        "mount --bind {target} {file} && exec {binary} kubeconfig --cluster-name target --kubeconfig {file}",
        target = target.display(),
        file = file.display(),
        binary = binary.display(),
    );
    let mut command = site.program("unshare");
    command
        .args(["--map-root-user", "--mount", "/bin/sh", "-c", &script])
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written = fs::read_to_string(&target).unwrap();
    assert!(written.contains(ARN) && !written.contains("##"), "{written}");
    assert_eq!(fs::read_to_string(&file).unwrap(), THEIRS);
    assert!(!site.path("mounted.lock").exists());
}

/// The lock of kubectl can be any file: it is looked at, never opened.
#[test]
fn a_pipe_in_place_of_the_lock_does_not_block() {
    let site = site();
    let file = site.write("locked", THEIRS);
    assert!(Command::new("mkfifo").arg(site.path("locked.lock")).status().unwrap().success());
    let path = file.display().to_string();
    write_kubeconfig(&site, &["--kubeconfig", &path, "--timeout", "1s"]).assert_exit(75);
    let running = site.start(["kubeconfig", "--cluster-name", "target", "--kubeconfig", &path]);
    running.wait_for_calls("eks", "DescribeCluster", 2);
    running.signal(Signal::TERM);
    running.finish().assert_exit(143);
    assert_eq!(fs::read_to_string(&file).unwrap(), THEIRS);
}

/// What another tool has put into an entry is lost for good where it is overwritten.
#[test]
fn a_user_of_another_tool_is_never_changed() {
    let site = site();
    let of_the_user = |user: &str| {
        THEIRS.replace("name: theirs\n  user: {token: '0123'}", &format!("name: prod\n  user: {user}"))
    };
    let aws_cli = |cluster: &str| {
        format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [eks, get-token, --cluster-name, {cluster}]}}}}"
        )
    };
    for (user, is_ours) in [
        ("{token: '0123'}".to_owned(), false),
        (
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: gke-gcloud-auth-plugin}}"
                .to_owned(),
            false,
        ),
        (aws_cli("other"), false),
        // What `aws eks update-kubeconfig` has written for the same cluster.
        (aws_cli("target"), true),
    ] {
        let text = of_the_user(&user);
        assert!(text.contains("name: prod"));
        let file = site.write("theirs", &text);
        let path = file.display().to_string();
        let outcome = write_kubeconfig(&site, &["--kubeconfig", &path, "--alias", "prod"]);
        if is_ours {
            outcome.assert_exit(0);
            continue;
        }
        outcome.assert_exit(78).assert_says("user `prod`").assert_says("--user-alias");
        outcome.assert_does_not_say("0123");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        write_kubeconfig(&site, &["--kubeconfig", &path, "--alias", "prod", "--user-alias", "prod-eks"])
            .assert_exit(0);
        // Its own entry is its to change.
        write_kubeconfig(&site, &["--kubeconfig", &path, "--alias", "prod", "--user-alias", "prod-eks"])
            .assert_exit(0);
        let merged: serde_yaml_ng::Value =
            serde_yaml_ng::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let theirs: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
        assert_eq!(merged["users"][0], theirs["users"][0]);
    }
}

/// kubectl sends its token to what stands there.
#[test]
fn the_address_of_an_api_server_is_https() {
    for endpoint in [
        "http://k8s.example",
        "k8s.example",
        "https://user@k8s.example",
        "https://k8s.example?x",
        "file:///x",
    ] {
        let world = Worlds::TWO_ACCOUNTS
            .replace("name = \"target\"\n", &format!("name = \"target\"\nendpoint = \"{endpoint}\"\n"));
        let site = in_world(&world);
        write_kubeconfig(&site, &[]).assert_exit(75).assert_says("https://");
        assert!(!kubeconfig_file(&site).exists());
    }
}

#[test]
fn a_dry_run_shows_it_and_changes_nothing() {
    let site = site();
    let file = site.write("theirs", THEIRS);
    let outcome = write_kubeconfig(&site, &["--kubeconfig", &file.display().to_string(), "--dry-run"]);
    let shown = outcome.assert_exit(0).text();
    assert!(shown.contains("https://theirs") && shown.contains(ARN), "{shown}");
    assert_eq!(fs::read_to_string(&file).unwrap(), THEIRS);
}

#[test]
fn what_is_no_kubeconfig_is_left_as_it_is() {
    let site = site();
    for text in ["kind: Secret\ndata: hush", "{", "- a"] {
        let file = site.write("broken", text);
        let outcome = write_kubeconfig(&site, &["--kubeconfig", &file.display().to_string()]);
        outcome.assert_exit(78).assert_says("is not a kubeconfig").assert_says("left as it is");
        outcome.assert_does_not_say("hush");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert!(!site.path("broken.lock").exists(), "the lock is given back");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let site = site();
    site.write("file", "");
    let folder = site.path("").display().to_string();
    let outcome = write_kubeconfig(&site, &["--kubeconfig", &format!("{folder}/file/config")]);
    outcome.assert_exit(2).assert_says("file/config");
    let nowhere = site.without("HOME");
    write_kubeconfig(&nowhere, &[]).assert_exit(2).assert_says("KUBECONFIG");
}

#[test]
fn processes_side_by_side_lose_nothing() {
    let mut world = Worlds::TWO_ACCOUNTS.to_owned();
    for number in 0..8 {
        write!(world, "[[eks.clusters]]\naccount = '222222222222'\nname = 'c{number}'\n").unwrap();
    }
    let site = in_world(&world);
    let names: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    let running: Vec<_> =
        names.iter().map(|name| site.start(["kubeconfig", "--cluster-name", name])).collect();
    for process in running {
        assert_eq!(process.finish().code, 0);
    }
    assert_eq!(kubeconfig(&site)["contexts"].as_sequence().unwrap().len(), 8);
}

#[test]
fn the_lock_of_kubectl_is_respected_until_it_is_stale() {
    let site = site();
    let file = site.write("locked", THEIRS);
    let lock = site.write("locked.lock", "");
    let path = file.display().to_string();
    let held = write_kubeconfig(&site, &["--kubeconfig", &path, "--timeout", "1s"]);
    held.assert_exit(75);
    assert_eq!(fs::read_to_string(&file).unwrap(), THEIRS);
    assert!(lock.exists(), "it is somebody else's");
    let old = SystemTime::now() - Duration::from_mins(2);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
    write_kubeconfig(&site, &["--kubeconfig", &path]).assert_exit(0).assert_says("left behind");
    assert!(!lock.exists());
}

#[test]
fn the_plugin_walks_the_same_chain() {
    let site = site();
    let role = "arn=arn:aws:iam::222222222222:role/external-glue,session-name=xactarget";
    let site = site.without("AWS_PROFILE");
    let args = ["--profile", "cats", "--assume-role", role, "--expect-account", "222222222222"];
    write_kubeconfig(&site, &args).assert_exit(0);
    let config = kubeconfig(&site);
    let exec = &config["users"][0]["user"]["exec"];
    let args: Vec<&str> =
        exec["args"].as_sequence().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    assert_eq!(
        args,
        [
            "token",
            "--cluster-name",
            "target",
            "--region",
            "us-east-2",
            "--output",
            "json",
            "--profile",
            "cats"
        ]
    );
    let env: Vec<(&str, &str)> = exec["env"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(|item| (item["name"].as_str().unwrap(), item["value"].as_str().unwrap()))
        .collect();
    let file = site.path("aws-config").display().to_string();
    for expected in [
        ("AWS_CONFIG_FILE", file.as_str()),
        ("ASSUME_ROLE", role),
        ("EXPECT_ACCOUNT", "222222222222"),
        ("RUST_LOG", "warn"),
        ("JOB_TERMINATION_LOG", "/dev/null"),
    ] {
        assert!(env.contains(&expected), "{expected:?} in {env:?}");
    }
}

/// kubectl is run in any folder.
#[test]
fn paths_are_written_whole() {
    let site = site();
    let (config, bundle) = (site.path("aws-config"), site.write("ca.pem", site.sandbox.ca_pem()));
    let site = site.env("AWS_CONFIG_FILE", "aws-config").env("AWS_CA_BUNDLE", "ca.pem");
    write_kubeconfig(&site, &[]).assert_exit(0);
    let written = kubeconfig(&site);
    let env = written["users"][0]["user"]["exec"]["env"].as_sequence().unwrap();
    let value = |name: &str| env.iter().find(|item| item["name"] == name).unwrap()["value"].as_str();
    assert_eq!(value("AWS_CONFIG_FILE"), config.to_str());
    assert_eq!(value("AWS_CA_BUNDLE"), bundle.to_str());
}

#[test]
fn keys_of_the_environment_are_never_written() {
    let world = format!(
        "{}\n[accounts.222222222222.users.ops]\naccess_key_id = 'AKIAIOSFODNN7EXAMPLE'\n\
         secret_access_key = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'\nallow = ['eks:*']\n",
        Worlds::TWO_ACCOUNTS
    );
    let site = in_world(&world)
        .without("AWS_PROFILE")
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    write_kubeconfig(&site, &[]).assert_exit(0);
    let text = fs::read_to_string(kubeconfig_file(&site)).unwrap();
    assert!(!text.contains("AKIA") && !text.contains("wJal"), "{text}");
}

//! kubectl itself, with the kubeconfig that was written and the plugin that it names.

use std::path::PathBuf;
use std::process::Output;

use testkit::{Site, Worlds};

use crate::{BINARY, in_world, site, write_kubeconfig};

/// kubectl on the machine.
fn path() -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    let found = std::env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|file| file.is_file());
    found.expect("this test needs kubectl, which is not on the PATH: `make setup` installs it")
}

/// Runs kubectl in the site, whose `PATH` is the folder of eks-token alone.
pub(crate) fn kubectl(site: &Site, args: &[&str]) -> Output {
    site.program(path()).args(args).args(["--request-timeout", "20s"]).output().expect("kubectl runs")
}

/// What kubectl shows.
#[track_caller]
pub(crate) fn shown(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    assert_eq!(error, "", "kubectl shows what its plugin says: it should say nothing");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What kubectl says when it fails.
#[track_caller]
fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn kubectl_gets_pods_with_both_versions_of_the_interface() {
    for version in ["v1", "v1beta1"] {
        let site = site();
        write_kubeconfig(&site, &["--exec-api-version", version]).assert_exit(0);
        let pods = shown(&kubectl(&site, &["get", "pods", "-n", "kube-system", "-o", "name"]));
        assert_eq!(pods, "pod/aws-node-x7k2p\npod/coredns-5d78c9869d-8r2wq\n");
        let calls = site.sandbox.calls();
        let last = calls.last().expect("a call");
        assert_eq!(last.operation, "GET /api/v1/namespaces/kube-system/pods");
        assert_eq!(last.caller, "arn:aws:sts::222222222222:assumed-role/external-glue/lambda-trigger");
    }
}

#[test]
fn one_plugin_serves_the_whole_of_a_kubectl() {
    let site = site();
    write_kubeconfig(&site, &[]).assert_exit(0);
    let before = site.sandbox.count("sts", "AssumeRole");
    shown(&kubectl(&site, &["get", "namespaces,pods", "-A", "-o", "name"]));
    assert!(site.sandbox.calls().iter().filter(|call| call.service == "kubernetes").count() > 2);
    assert_eq!(site.sandbox.count("sts", "AssumeRole"), before + 1);
}

/// Variables of the pod that are meant for the jobs beside kubectl.
#[test]
fn the_form_of_results_is_not_that_of_the_plugin() {
    let site = site();
    write_kubeconfig(&site, &[]).assert_exit(0);
    let site = site.env("JOB_OUTPUT", "text");
    shown(&kubectl(&site, &["get", "namespaces", "-o", "name"]));
}

#[test]
fn the_plugin_is_found_by_path_too() {
    let site = site();
    write_kubeconfig(&site, &["--exec-command", BINARY]).assert_exit(0);
    shown(&kubectl(&site, &["get", "namespaces", "-o", "name"]));
}

#[test]
fn contexts_of_two_roles_do_not_mix() {
    let world = format!(
        "{}\n[accounts.222222222222.roles.reader]\nallow = ['eks:*']\n\
         trust = [{{ principal = \"arn:aws:iam::222222222222:role/external-glue\" }}]\n",
        Worlds::TWO_ACCOUNTS
            .replace("\"eks:ListClusters on *\"", "\"eks:ListClusters on *\", \"sts:AssumeRole on *\"")
            .replace("access = [", "access = [\"arn:aws:iam::222222222222:role/reader\", ")
    );
    let site = in_world(&world);
    let reader = ["--alias", "reader", "--assume-role", "arn:aws:iam::222222222222:role/reader"];
    write_kubeconfig(&site, &["--alias", "owner"]).assert_exit(0);
    write_kubeconfig(&site, &reader).assert_exit(0);
    for (context, role) in [("owner", "external-glue"), ("reader", "reader")] {
        shown(&kubectl(&site, &["--context", context, "get", "pods", "-A", "-o", "name"]));
        let calls = site.sandbox.calls();
        let caller = &calls.last().expect("a call").caller;
        assert!(caller.contains(&format!("assumed-role/{role}/")), "{context}: {caller}");
    }
}

#[test]
fn a_role_without_an_access_entry_is_not_let_in() {
    let site = in_world(
        &Worlds::TWO_ACCOUNTS.replace("access = [\"arn:aws:iam::222222222222:role/external-glue\"]\n", ""),
    );
    write_kubeconfig(&site, &[]).assert_exit(0);
    let complaint = complaint(&kubectl(&site, &["get", "pods"]));
    assert!(complaint.contains("Unauthorized") || complaint.contains("must be logged in"), "{complaint}");
}

/// The refusal of a hop reaches the person at kubectl.
#[test]
fn a_hop_that_is_refused_is_named_by_kubectl() {
    let site = site();
    write_kubeconfig(&site, &[]).assert_exit(0);
    site.write_token(
        "system:serviceaccount:team-ns:other",
        "sts.amazonaws.com",
        std::time::Duration::from_mins(5),
    );
    let complaint = complaint(&kubectl(&site, &["get", "pods"]));
    for expected in ["hop 1 of 2", "role/cats-glue", "system:serviceaccount:team-ns:other", "exit code 77"] {
        assert!(complaint.contains(expected), "no {expected} in {complaint}");
    }
}

/// A token says which cluster it is for, in a signed header.
#[test]
fn a_token_of_another_cluster_is_none() {
    let world = format!(
        "{}\n[[eks.clusters]]\naccount = '222222222222'\nname = 'other'\naccess = ['arn:aws:iam::222222222222:role/external-glue']\n",
        Worlds::TWO_ACCOUNTS
    );
    let site = in_world(&world);
    write_kubeconfig(&site, &[]).assert_exit(0);
    let file = crate::kubeconfig_file(&site);
    let text = std::fs::read_to_string(&file).unwrap();
    let swapped = text.replace("- --cluster-name\n      - target", "- --cluster-name\n      - other");
    assert_ne!(swapped, text);
    std::fs::write(&file, swapped).unwrap();
    complaint(&kubectl(&site, &["get", "pods"]));
    let asked = site.sandbox.calls().into_iter().find(|call| call.service == "kubernetes");
    let error = asked.expect("kubectl has asked").error;
    assert!(error.as_deref().is_some_and(|error| error.contains("SignatureDoesNotMatch")), "{error:?}");
}

/// kubectl's YAML is 1.1, where a text like `no` needs quotes.
#[test]
fn kubectl_reads_what_was_there_as_before() {
    let site = site();
    let theirs = "users:\n- name: theirs\n  user: {username: 'no', password: '1e3'}\n\
                  clusters:\n- name: theirs\n  cluster: {server: 'https://x', insecure-skip-tls-verify: yes}\n";
    let file = site.write("theirs", theirs).display().to_string();
    let view = || {
        let form = "jsonpath={.users[?(@.name=='theirs')].user} {.clusters[?(@.name=='theirs')].cluster}";
        shown(&kubectl(&site, &["config", "view", "--raw", "--kubeconfig", &file, "-o", form]))
    };
    let before = view();
    assert!(before.contains(r#""username":"no""#) && before.contains("skip-tls-verify\":true"), "{before}");
    write_kubeconfig(&site, &["--kubeconfig", &file]).assert_exit(0);
    assert_eq!(view(), before);
}

/// Tokens are good for a quarter of an hour and not for a minute more.
#[test]
fn a_token_grows_old() {
    for (minutes, good) in [(14, true), (16, false)] {
        let site = site();
        write_kubeconfig(&site, &["--alias", "old"]).assert_exit(0);
        let token =
            site.run(["token", "--cluster-name", "target", "--output", "text"]).text().trim().to_owned();
        site.sandbox.advance(std::time::Duration::from_mins(minutes));
        kubectl(&site, &["config", "set-credentials", "by-hand", "--token", &token]);
        let output = kubectl(&site, &["--user", "by-hand", "get", "pods", "-A", "-o", "name"]);
        assert_eq!(output.status.success(), good, "{minutes}: {output:?}");
    }
}

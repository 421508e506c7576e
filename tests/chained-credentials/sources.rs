//! Where the first credentials come from, and what is assumed on top of them.

use testkit::{Fault, FaultKind, Site, Worlds};

use super::{BINARY, NIGHTLY, calls, nightly, the_call};

/// Users with keys, who may do what the documented role may.
const USERS: &str = r#"
[accounts.222222222222.users.by-env]
access_key_id = "AKIAENVENVENVENVENV1"
secret_access_key = "secret-of-the-environment"
allow = ["glue:* on *", "logs:* on *", "sts:AssumeRole on *"]

[accounts.222222222222.users.by-default]
access_key_id = "AKIADEFAULTDEFAULT01"
secret_access_key = "secret-of-the-default-profile"
allow = ["glue:* on *", "logs:* on *", "sts:AssumeRole on *"]

[accounts.222222222222.roles.last]
allow = ["glue:* on *", "logs:* on *"]
trust = [
    { principal = "arn:aws:iam::222222222222:role/external-glue", external_id = "handshake/1", required_tags = { team = "data" }, tag_session = true, set_source_identity = true },
    { principal = "arn:aws:iam::222222222222:user/by-env" },
]

[policies]
"arn:aws:iam::aws:policy/AWSGlueConsoleFullAccess" = ["glue:* on *"]

[instance_metadata]
role = "arn:aws:iam::111111111111:role/cats-glue"
"#;

fn world() -> String {
    let world = Worlds::TWO_ACCOUNTS
        .replace("\"glue:StartJobRun on", "\"sts:AssumeRole on *\",\n    \"sts:TagSession on *\",\n    \"sts:SetSourceIdentity on *\",\n    \"glue:StartJobRun on");
    [&world, USERS].concat()
}

fn by_env(site: Site) -> Site {
    site.env("AWS_ACCESS_KEY_ID", "AKIAENVENVENVENVENV1")
        .env("AWS_SECRET_ACCESS_KEY", "secret-of-the-environment")
}

fn with_default_profile(site: Site) -> Site {
    let text = "[default]\naws_access_key_id = AKIADEFAULTDEFAULT01\naws_secret_access_key = secret-of-the-default-profile\n";
    let path = site.write("credentials", text).display().to_string();
    site.env("AWS_SHARED_CREDENTIALS_FILE", path)
}

#[test]
fn the_documented_config_file_works_as_it_stands() {
    let site = Site::documented(BINARY).with_irsa_variables();
    site.run(nightly(&["--idempotency-key", "job-uid-1"])).assert_exit(0);
    let first = the_call(&site, "AssumeRoleWithWebIdentity");
    assert_eq!(first.parameters["RoleArn"], "arn:aws:iam::111111111111:role/cats-glue");
    let name = first.parameters["RoleSessionName"].as_str().unwrap().to_owned();
    assert!(name.starts_with("glue-trigger-") && name.len() == "glue-trigger-".len() + 8, "{name}");
    let second = the_call(&site, "AssumeRole");
    assert_eq!(second.caller, format!("arn:aws:sts::111111111111:assumed-role/cats-glue/{name}"));
    assert_eq!(second.parameters["RoleArn"], "arn:aws:iam::222222222222:role/external-glue");
    assert_eq!(second.parameters["RoleSessionName"], "lambda-trigger");
    let start = the_call(&site, "StartJobRun");
    assert_eq!(start.caller, "arn:aws:sts::222222222222:assumed-role/external-glue/lambda-trigger");

    // Every restart of one Job is the same session to CloudTrail and to policies on the session name.
    site.run(nightly(&["--idempotency-key", "job-uid-1"])).assert_exit(0);
    assert_eq!(calls(&site, "AssumeRoleWithWebIdentity")[1].parameters["RoleSessionName"], name);
    site.run(nightly(&["--idempotency-key", "job-uid-2"])).assert_exit(0);
    assert_ne!(calls(&site, "AssumeRoleWithWebIdentity")[2].parameters["RoleSessionName"], name);
}

#[test]
fn the_contract_s_table_of_sources_row_by_row() {
    let full = || with_default_profile(by_env(Site::pod(BINARY, &world()))).with_irsa_variables();
    let external = "arn:aws:iam::222222222222:role/external-glue";
    let profile = "assumed-role/external-glue/lambda-trigger";
    let name = "glue-trigger-pod-1";
    for (row, site, args, caller) in [
        (1, full().env("AWS_PROFILE", "default"), vec!["--profile", "external"], profile.to_owned()),
        (2, full(), vec![], "user/by-env".to_owned()),
        (3, full().without("AWS_ACCESS_KEY_ID").without("AWS_SECRET_ACCESS_KEY"), vec![], profile.to_owned()),
        (
            4,
            with_default_profile(Site::pod(BINARY, &world())).without("AWS_PROFILE"),
            vec![],
            "user/by-default".to_owned(),
        ),
        (
            5,
            Site::pod(BINARY, &world()).without("AWS_PROFILE").with_irsa_variables(),
            vec!["--assume-role", external],
            format!("assumed-role/external-glue/{name}"),
        ),
    ] {
        site.run(nightly(&args)).assert_exit(0);
        let start = the_call(&site, "StartJobRun");
        assert!(start.caller.ends_with(&caller), "row {row}: {} instead of {caller}", start.caller);
    }
}

#[test]
fn web_identity_comes_before_the_container_and_the_container_before_the_machine() {
    let last = nightly(&[
        "--assume-role",
        "arn:aws:iam::222222222222:role/external-glue",
        "--allow-instance-metadata",
    ]);
    let world = [world(), pod_identity().to_owned()].concat();
    let asked = |site: &Site| {
        site.run(&last).assert_exit(0);
        let calls = site.sandbox.calls();
        let of = |service: &str| calls.iter().any(|call| call.service == service);
        (of("container-credentials"), of("instance-metadata"))
    };
    let site = Site::pod(BINARY, &world).with_pod_identity();
    let url = site.sandbox.url();
    let site = site.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url);
    assert_eq!(asked(&site), (true, false));
    let site = Site::pod(BINARY, &world).with_pod_identity().with_irsa_variables();
    assert_eq!(asked(&site), (false, false));
    assert_eq!(calls(&site, "AssumeRoleWithWebIdentity").len(), 1);
}

/// Credentials of a container without tags, as ECS gives them.
fn pod_identity() -> &'static str {
    r#"
[[container_credentials]]
path = "/v1/credentials"
role = "arn:aws:iam::111111111111:role/cats-glue"
session_name = "task-1"
authorization = "pod-identity-token-of-this-pod"
"#
}

#[test]
fn container_credentials_are_a_first_hop_too() {
    let world = [world(), pod_identity().to_owned()].concat();
    let role = "arn:aws:iam::222222222222:role/external-glue";
    // On the command line, as a Fargate task without files has it.
    let site = Site::pod(BINARY, &world).with_pod_identity();
    site.run(nightly(&["--assume-role", role])).assert_exit(0);
    assert_eq!(
        the_call(&site, "AssumeRole").caller,
        "arn:aws:sts::111111111111:assumed-role/cats-glue/task-1"
    );
    // In a profile.
    let site = Site::pod(BINARY, &world).with_pod_identity();
    let config = format!("[profile b]\nrole_arn = {role}\ncredential_source = EcsContainer\n");
    let config = site.write("other", &config).display().to_string();
    let site = site.env("AWS_CONFIG_FILE", config).env("AWS_PROFILE", "b");
    site.run(NIGHTLY).assert_exit(0);
    assert_eq!(
        the_call(&site, "AssumeRole").caller,
        "arn:aws:sts::111111111111:assumed-role/cats-glue/task-1"
    );
}

#[test]
fn the_machine_s_role_is_taken_only_when_allowed() {
    let site = Site::pod(BINARY, &world()).without("AWS_PROFILE").without("AWS_CONFIG_FILE");
    let url = site.sandbox.url();
    let site = site.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url);
    let args = nightly(&["--assume-role", "arn:aws:iam::222222222222:role/external-glue"]);
    let refused = site.run(&args);
    refused.assert_exit(78).assert_says("--allow-instance-metadata").assert_says("serviceAccountName");
    assert!(site.sandbox.calls().is_empty());
    site.run(args.iter().chain(&["--allow-instance-metadata"])).assert_exit(0);
    assert!(
        the_call(&site, "AssumeRole").caller.starts_with("arn:aws:sts::111111111111:assumed-role/cats-glue/")
    );
}

/// What answers there need not be the metadata service: a captive portal, a wrong endpoint.
#[test]
fn what_is_no_name_of_a_role_is_asked_for_again_and_then_told() {
    let garbage = Fault::new("instance-metadata", "GetRoleName", FaultKind::Garbage);
    let args = ["--assume-role", "arn:aws:iam::222222222222:role/external-glue", "--allow-instance-metadata"];
    for (fault, exit) in [(garbage.clone(), 0), (garbage.for_ever(), 75)] {
        let site = Site::pod(BINARY, &world()).without("AWS_PROFILE").without("AWS_CONFIG_FILE");
        let url = site.sandbox.url();
        let site = site.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url);
        site.sandbox.add_fault(fault).unwrap();
        let outcome = site.run(nightly(&args));
        outcome.assert_exit(exit);
        if exit != 0 {
            outcome.assert_says("hop 1 of 2").assert_says("is no name of a role");
            assert_eq!(site.sandbox.count("glue", "StartJobRun"), 0);
        }
    }
}

#[test]
fn three_hops_with_everything_that_can_be_said_about_one() {
    let site = Site::pod(BINARY, &world());
    let role = "arn=arn:aws:iam::222222222222:role/last,external-id=handshake/1,session-name=nightly,duration=15m,\
                source-identity=jane,tag.team=data,tag.env=prod,transitive-tag=team,\
                policy-arn=arn:aws:iam::aws:policy/AWSGlueConsoleFullAccess";
    site.run(nightly(&["--assume-role", role])).assert_exit(0);
    let last = calls(&site, "AssumeRole").pop().unwrap();
    assert_eq!(last.caller, "arn:aws:sts::222222222222:assumed-role/external-glue/lambda-trigger");
    assert!(last.parameters["TransitiveTagKeys"].to_string().contains("team"), "{}", last.parameters);
    let sent = last.parameters.to_string();
    for part in [
        "role/last",
        "handshake/1",
        "nightly",
        "900",
        "jane",
        "team",
        "data",
        "prod",
        "AWSGlueConsoleFullAccess",
    ] {
        assert!(sent.contains(part), "no {part} in {sent}");
    }
    assert_eq!(the_call(&site, "StartJobRun").caller, "arn:aws:sts::222222222222:assumed-role/last/nightly");
}

#[test]
fn keys_of_a_user_can_start_a_chain() {
    let site = by_env(Site::pod(BINARY, &world()).without("AWS_PROFILE"));
    site.run(nightly(&["--assume-role", "arn:aws:iam::222222222222:role/last"])).assert_exit(0);
    assert_eq!(the_call(&site, "AssumeRole").caller, "arn:aws:iam::222222222222:user/by-env");
}

#[test]
fn a_credential_process_is_run_without_a_shell() {
    let site = Site::pod(BINARY, &world());
    let keys = site.write(
        "keys.json",
        r#"{"Version": 1, "AccessKeyId": "AKIAENVENVENVENVENV1", "SecretAccessKey": "secret-of-the-environment"}"#,
    );
    let config =
        format!("[profile p]\ncredential_process = /bin/cat \"{}\"\nregion = us-east-2\n", keys.display());
    let config = site.write("other", &config).display().to_string();
    let site = site.env("AWS_CONFIG_FILE", config).env("AWS_PROFILE", "p").env("PATH", "/usr/bin:/bin");
    site.run(NIGHTLY).assert_exit(0);
    assert_eq!(the_call(&site, "StartJobRun").caller, "arn:aws:iam::222222222222:user/by-env");

    let config = "[profile p]\ncredential_process = /bin/false\nregion = us-east-2\n";
    let config = site.write("other", config).display().to_string();
    site.env("AWS_CONFIG_FILE", config).run(NIGHTLY).assert_exit(77).assert_says("/bin/false failed");
}

/// Whoever can write the config file can name a program to run: it can be forbidden, and gets no secret of the job.
#[test]
fn a_credential_process_can_be_forbidden_and_gets_no_secret() {
    let site = Site::pod(BINARY, &world());
    let keys = site.write(
        "keys.json",
        r#"{"Version": 1, "AccessKeyId": "AKIAENVENVENVENVENV1", "SecretAccessKey": "secret-of-the-environment"}"#,
    );
    let script = site.write("keys.sh", &format!("env > \"$1\"; cat '{}'\n", keys.display()));
    let seen = site.path("seen");
    let config = format!(
        "[profile p]\ncredential_process = /bin/sh {} {}\nregion = us-east-2\n",
        script.display(),
        seen.display()
    );
    let config = site.write("other", &config).display().to_string();
    let site = site.env("AWS_CONFIG_FILE", config).env("AWS_PROFILE", "p").env("PATH", "/usr/bin:/bin");
    let site = site.env("PGPASSWORD", "hush").env("VAULT_TOKEN", "hush").env("AWS_SESSION_TOKEN", "hush");
    site.run(NIGHTLY).assert_exit(0);
    let given = std::fs::read_to_string(&seen).unwrap();
    assert!(given.contains("AWS_PROFILE=p\n") && given.contains("PATH=/usr/bin:/bin\n"), "{given}");
    assert!(!given.contains("hush"), "{given}");

    std::fs::remove_file(&seen).unwrap();
    let outcome = site.env("NO_CREDENTIAL_PROCESS", "true").run(NIGHTLY);
    outcome.assert_exit(78).assert_says("profile `p`").assert_says("--no-credential-process");
    assert!(!seen.exists());
}

/// The address of the ECS agent is fixed, so this test makes a network of its own in which it has that address.
#[test]
fn a_task_s_relative_address_is_asked_at_the_ecs_agent() {
    const INSIDE: &str = "INSIDE_OWN_NETWORK";
    if std::env::var_os(INSIDE).is_none() {
        let script = "ip link set lo up && ip address add 169.254.170.2/32 dev lo && exec \"$0\" --exact --nocapture \
                      sources::a_task_s_relative_address_is_asked_at_the_ecs_agent";
        let inside = std::process::Command::new("unshare")
            .args(["--map-root-user", "--net", "sh", "-c", script])
            .arg(std::env::current_exe().unwrap())
            .env(INSIDE, "1")
            .output()
            .expect("unshare of util-linux");
        assert!(inside.status.success(), "{}", String::from_utf8_lossy(&inside.stderr));
        assert!(String::from_utf8_lossy(&inside.stdout).contains("1 passed"));
        return;
    }
    let without_token = pod_identity().replace("authorization = \"pod-identity-token-of-this-pod\"\n", "");
    let world = [world(), without_token].concat();
    let site = Site::pod(BINARY, &world).without("AWS_PROFILE").without("AWS_CONFIG_FILE");
    forward("169.254.170.2:80", site.sandbox.url().strip_prefix("http://").unwrap());
    // The proxy must not see the request: its path is what makes the agent hand out the role.
    let site = site
        .env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v1/credentials")
        .env("http_proxy", "http://127.0.0.1:9");
    let site = site.env("no_proxy", "127.0.0.1");
    site.run(nightly(&["--assume-role", "arn:aws:iam::222222222222:role/external-glue"]))
        .assert_exit(0)
        .assert_does_not_say("/v1/credentials");
    assert_eq!(
        the_call(&site, "AssumeRole").caller,
        "arn:aws:sts::111111111111:assumed-role/cats-glue/task-1"
    );
}

/// Passes connections on to the sandbox.
fn forward(from: &str, to: &str) {
    let listener = std::net::TcpListener::bind(from).expect("the agent's address is ours");
    let to = to.to_owned();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let near = near.unwrap();
            let far = std::net::TcpStream::connect(&to).unwrap();
            for (mut reader, mut writer) in
                [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)]
            {
                std::thread::spawn(move || std::io::copy(&mut reader, &mut writer));
            }
        }
    });
}

#[test]
fn the_region_that_wins_is_told() {
    let site = Site::documented(BINARY).env("AWS_REGION", "eu-west-1");
    let outcome = site.run(nightly(&["--region", "us-east-2"]));
    outcome
        .assert_exit(0)
        .assert_says("region us-east-2 from --region wins")
        .assert_says("AWS_REGION says eu-west-1");
    assert!(site.sandbox.calls().iter().all(|call| call.region.is_empty() || call.region == "us-east-2"));
}

use super::*;

const ARN: &str = "arn:aws:eks:us-east-2:222222222222:cluster/target";

fn entry() -> Entry {
    Entry {
        id: "target".to_owned(),
        cluster: ARN.to_owned(),
        server: "https://k8s.example".to_owned(),
        authority: "Q0E=".to_owned(),
        context: "target".to_owned(),
        user: "target".to_owned(),
        namespace: None,
        exec: Exec {
            api_version: "client.authentication.k8s.io/v1",
            command: "eks-token".to_owned(),
            args: vec!["token".to_owned(), "--cluster-name".to_owned(), "target".to_owned()],
            env: vec![("AWS_PROFILE", "on".to_owned())],
        },
        use_context: true,
    }
}

fn value(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap()
}

#[test]
fn a_new_file_has_all_that_kubectl_needs() {
    let (text, new) = merge("", &entry()).unwrap();
    assert!(new);
    let expected = "\
apiVersion: v1
kind: Config
clusters:
- name: arn:aws:eks:us-east-2:222222222222:cluster/target
  cluster:
    server: https://k8s.example
    certificate-authority-data: Q0E=
contexts:
- name: target
  context:
    cluster: arn:aws:eks:us-east-2:222222222222:cluster/target
    user: target
users:
- name: target
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: eks-token
      args:
      - token
      - --cluster-name
      - target
      env:
      - name: AWS_PROFILE
        value: \"on\"
      interactiveMode: Never
      installHint: \"eks-token is not on the PATH: put the binary there, or its path into `command`\"
current-context: target
";
    assert_eq!(text, expected, "and kubectl, which reads YAML 1.1, takes `on` for a text");
}

#[test]
fn what_is_there_stays() {
    let before = "\
apiVersion: v1
kind: Config
preferences: {colors: true}
clusters:
- name: other
  cluster: {server: 'https://other', insecure-skip-tls-verify: true}
- name: arn:aws:eks:us-east-2:222222222222:cluster/target
  cluster:
    server: https://old
    certificate-authority: /old.pem
    insecure-skip-tls-verify: true
    proxy-url: http://proxy:3128
    extensions: [{name: x, extension: {a: 1}}]
contexts:
- name: target
  context: {cluster: old, user: old, namespace: team}
- name: other
  context: {cluster: other, user: other}
users:
- name: other
  user: {token: '0123', username: 'no'}
- name: target
  user: {exec: {command: aws, args: [eks, get-token, --cluster-name, target]}}
current-context: other
extensions: [{name: kept}]
";
    let (text, new) = merge(before, &Entry { use_context: false, ..entry() }).unwrap();
    assert!(!new);
    let (old, merged) = (value(before), value(&text));
    for key in ["preferences", "extensions", "current-context"] {
        assert_eq!(merged[key], old[key], "{key}");
    }
    assert_eq!(merged["clusters"][0], old["clusters"][0]);
    assert_eq!(merged["contexts"][1], old["contexts"][1]);
    assert_eq!(merged["users"][0], old["users"][0]);
    let cluster = &merged["clusters"][1]["cluster"];
    assert_eq!(cluster["server"], "https://k8s.example");
    assert_eq!(cluster["proxy-url"], "http://proxy:3128");
    assert_eq!(cluster["extensions"], old["clusters"][1]["cluster"]["extensions"]);
    assert!(
        cluster.get("certificate-authority").is_none() && cluster.get("insecure-skip-tls-verify").is_none()
    );
    let context = &merged["contexts"][0]["context"];
    assert_eq!((context["cluster"].as_str(), context["namespace"].as_str()), (Some(ARN), Some("team")));
    let user = merged["users"][1]["user"].as_mapping().unwrap();
    assert_eq!(user.len(), 1, "a token would go before the plugin: {user:?}");
    assert!(text.contains("\"0123\"") && text.contains("\"no\""), "texts stay texts: {text}");
}

#[test]
fn writing_it_twice_is_writing_it_once() {
    let (once, _) = merge("", &entry()).unwrap();
    assert_eq!(merge(&once, &entry()).unwrap(), (once, false));
}

#[test]
fn what_kubectl_itself_writes_for_nothing_is_a_kubeconfig() {
    let before = "apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: null\n";
    let (text, new) = merge(before, &Entry { use_context: false, ..entry() }).unwrap();
    assert!(new);
    assert_eq!(value(&text)["current-context"], "target", "a first context is the current one");
    assert!(merge(&serde_json::to_string(&value(before)).unwrap(), &entry()).is_ok(), "JSON is YAML");
}

#[test]
fn what_is_no_kubeconfig_is_refused_without_a_word_of_it() {
    for (text, problem) in [
        ("- hush", "it is no mapping"),
        ("hush: [", "it is no YAML, line"),
        ("a: 1\n---\nb: 2", "it is no YAML"),
        ("kind: Secret", "its kind is not Config"),
        ("apiVersion: v2", "its apiVersion is not v1"),
        ("clusters: hush", "its clusters are no list"),
        ("contexts: [{name: target, context: hush}]", "the context `target` is no mapping"),
        ("token: hush\ntoken: hush", "it is no YAML"),
    ] {
        let Refusal::NotAKubeconfig(refused) = merge(text, &entry()).unwrap_err() else { panic!("{text}") };
        assert!(refused.contains(problem) && !refused.contains("hush"), "{text}: {refused}");
    }
}

/// Its credentials would be lost for good.
#[test]
fn a_user_is_changed_where_it_gets_tokens_of_the_cluster() {
    let exec = |args: &str| format!("{{exec: {{command: x, args: [{args}]}}}}");
    for (user, is_changed) in [
        ("{}".to_owned(), true),
        (exec("token, --cluster-name, other"), true),
        (exec("eks, get-token, --cluster-name, target"), true),
        (exec("token, -i, target"), true),
        (exec("eks, get-token, --cluster-name, other"), false),
        (exec(""), false),
        ("{token: hush}".to_owned(), false),
        ("{token: hush, exec: {args: [token, --cluster-name, target]}}".to_owned(), false),
    ] {
        let before = format!("users: [{{name: target, user: {user}}}]");
        let expected = (!is_changed).then_some(Refusal::UserOfAnotherTool);
        assert_eq!(merge(&before, &entry()).err(), expected, "{user}");
    }
    // Another context reaches another cluster as this user.
    let (mine, _) = merge("", &entry()).unwrap();
    let shared = mine.replace("contexts:\n", "contexts:\n- {name: b, context: {cluster: b, user: target}}\n");
    assert_eq!(merge(&shared, &entry()).err(), Some(Refusal::UserOfAnotherTool));
    let same = shared.replace("cluster: b,", &format!("cluster: '{ARN}',"));
    assert!(merge(&same, &entry()).is_ok());
}

#[test]
fn clusters_are_found_by_name() {
    let (text, _) = merge("", &entry()).unwrap();
    assert!(has_cluster(&text, ARN));
    assert!(!has_cluster(&text, "target"));
    assert!(!has_cluster("{", ARN));
}

#[test]
fn what_a_merge_key_brings_in_stays() {
    let before = "\
clusters:
- name: a
  cluster: &shared {server: 'https://a', proxy-url: 'http://proxy'}
- name: b
  cluster: {<<: *shared, server: 'https://b'}
";
    let (text, _) = merge(before, &entry()).unwrap();
    assert_eq!(
        value(&text)["clusters"][1]["cluster"],
        value("{server: 'https://b', proxy-url: 'http://proxy'}")
    );
    assert!(merge("clusters: {<<: 1}", &entry()).is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 500,
        rng_seed: proptest::test_runner::RngSeed::Fixed(8),
        failure_persistence: None,
        ..Default::default()
    })]

    /// Whatever stands there: the cluster is in the file that comes of it, and another merge changes nothing; or one
    /// sentence says what is wrong, without the secrets of other clusters.
    #[test]
    fn any_file_is_merged_or_is_refused_without_its_secrets(
        lines in proptest::collection::vec(
            proptest::prop_oneof![
                3 => "(apiVersion: v1|kind: Config|current-context: [a-z]{0,3}|preferences: \\{\\})",
                3 => "(clusters|contexts|users|extensions):( null| \\[\\]| \\{\\}| text)?",
                3 => "(- | {0,4})(name: (target|other)|(user|cluster|context):|(token|password): hush)",
                1 => "\\PC{0,6}",
            ],
            0..12,
        ),
    ) {
        let before = lines.join("\n");
        match merge(&before, &entry()) {
            Ok((after, _)) => {
                assert!(has_cluster(&after, ARN), "{after}");
                assert_eq!(merge(&after, &entry()), Ok((after, false)));
            }
            Err(Refusal::NotAKubeconfig(error)) => {
                assert!(!error.contains("hush") && !error.contains('\n'), "{error:?}");
            }
            Err(Refusal::UserOfAnotherTool) => assert!(before.contains("target"), "{before}"),
        }
    }
}

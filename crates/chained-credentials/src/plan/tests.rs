//! The plan, row by row: which source wins, what a profile leads to, what is refused before any request.

use std::path::Path;

use super::*;
use crate::ChainSpec;

const TOKEN: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
const SEED: &str = "\
[profile cats]
role_arn = arn:aws:iam::111111111111:role/cats
web_identity_token_file = /var/run/secrets/eks.amazonaws.com/serviceaccount/token
region=us-east-2

[profile external]
role_arn = arn:aws:iam::222222222222:role/external
role_session_name = lambda-trigger
source_profile = cats
region = us-east-2
";

struct Case {
    folder: tempfile::TempDir,
    vars: Vec<(String, String)>,
    settings: Settings,
}

impl Case {
    fn new() -> Self {
        let settings = Settings { default_session_name: "glue-trigger-host".into(), ..Settings::default() };
        Self { folder: tempfile::tempdir().unwrap(), vars: Vec::new(), settings }
            .var("AWS_REGION", "us-east-2")
    }

    fn config(self, text: &str) -> Self {
        let path = self.folder.path().join("config");
        std::fs::write(&path, text).unwrap();
        self.var("AWS_CONFIG_FILE", path.to_str().unwrap())
    }

    fn credentials(self, text: &str) -> Self {
        let path = self.folder.path().join("credentials");
        std::fs::write(&path, text).unwrap();
        self.var("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap())
    }

    fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.into(), value.into()));
        self
    }

    fn profile(mut self, name: &str) -> Self {
        self.settings.profile = Some(name.into());
        self
    }

    fn irsa(self) -> Self {
        self.var("AWS_WEB_IDENTITY_TOKEN_FILE", TOKEN)
            .var("AWS_ROLE_ARN", "arn:aws:iam::333333333333:role/pod")
    }

    fn keys(self) -> Self {
        self.var("AWS_ACCESS_KEY_ID", "AKIAENV").var("AWS_SECRET_ACCESS_KEY", "hush-env")
    }

    fn container(self) -> Self {
        self.var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1")
    }

    async fn resolve(&self) -> Result<ChainSpec, ConfigError> {
        let env: Env = self.vars.iter().cloned().collect();
        ChainSpec::resolve(&self.settings, &env).await
    }

    async fn plan(&self) -> String {
        self.resolve().await.unwrap().describe().to_owned()
    }

    async fn error(&self) -> String {
        self.resolve().await.unwrap_err().to_string()
    }
}

#[tokio::test]
async fn the_documented_file_works_as_it_stands() {
    let spec = Case::new().config(SEED).var("AWS_PROFILE", "external").irsa().resolve().await.unwrap();
    assert_eq!(
        spec.describe(),
        format!(
            "web identity (web_identity_token_file {TOKEN}) -> arn:aws:iam::111111111111:role/cats (profile `cats`) \
             -> arn:aws:iam::222222222222:role/external (profile `external`), region us-east-2 (from AWS_REGION)"
        )
    );
    assert_eq!(spec.hops[0].role.session_name.as_deref(), Some("lambda-trigger"));
    let Source::WebIdentity(web) = &spec.source else { panic!("{spec:?}") };
    assert_eq!(web.role.session_name.as_deref(), Some("glue-trigger-host"));
}

#[tokio::test]
async fn the_first_source_that_is_configured_is_the_one() {
    let both = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = hush-default\n";
    let with_config = || Case::new().config(SEED).credentials(both);
    for (case, expected) in [
        (
            with_config().profile("cats").var("AWS_PROFILE", "external").keys().irsa().container(),
            "profile `cats`",
        ),
        (with_config().var("AWS_PROFILE", "external").keys().irsa().container(), "access key AKIAENV"),
        (with_config().var("AWS_PROFILE", "external").irsa().container(), "profile `external`"),
        (with_config().var("AWS_DEFAULT_PROFILE", "cats").irsa().container(), "profile `cats`"),
        (with_config().var("AWS_PROFILE", "").irsa().container(), "AKIADEFAULT"),
        (with_config().irsa().container(), "AKIADEFAULT"),
        (Case::new().config(SEED).irsa().container(), "arn:aws:iam::333333333333:role/pod"),
        (Case::new().config("[default]\nregion = eu-west-1\n").irsa(), "arn:aws:iam::333333333333:role/pod"),
        (
            Case::new().container(),
            "container credentials (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, host 169.254.170.2)",
        ),
    ] {
        let plan = case.plan().await;
        assert!(plan.contains(expected), "{expected}: {plan}");
    }
    let mut metadata = Case::new();
    metadata.settings.allow_instance_metadata = true;
    assert!(metadata.plan().await.starts_with("instance metadata"));
    assert!(
        metadata.var("AWS_EC2_METADATA_DISABLED", "true").error().await.contains("AWS_EC2_METADATA_DISABLED")
    );
}

#[tokio::test]
async fn what_is_named_and_absent_is_an_error_though_the_pod_has_an_identity_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (case, expected) in [
        (Case::new().config(SEED).var("AWS_PROFILE", "externl"), "profile `externl` (AWS_PROFILE) is not in"),
        (Case::new().config(SEED).var("AWS_PROFILE", "externl"), "profiles there: cats, external"),
        (Case::new().config(SEED).profile("nope"), "profile `nope` (--profile) is not in"),
        (Case::new().var("AWS_PROFILE", "external"), "neither ~/.aws/config nor ~/.aws/credentials is there"),
        (Case::new().var("AWS_CONFIG_FILE", &path("none")), "does not exist"),
        (Case::new().var("AWS_SHARED_CREDENTIALS_FILE", &path("none")), "AWS_SHARED_CREDENTIALS_FILE names"),
        (Case::new().var("AWS_CONFIG_FILE", &path("")), "is a directory; a ConfigMap mounted with subPath"),
        (
            Case::new().config("[external]\nrole_arn = x\n").profile("external"),
            "must read [profile external]",
        ),
        (Case::new().config("role_arn = x\n").profile("external"), "is not an AWS config file"),
    ] {
        let error = case.irsa().container().error().await;
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[tokio::test]
async fn profiles_that_lead_nowhere_say_which_key() {
    let role = "role_arn = arn:aws:iam::111111111111:role/a";
    let keys = "aws_access_key_id = A\naws_secret_access_key = hush\n";
    for (text, expected) in [
        ("[profile a]\nregion = x\n".to_owned(), "leads to no credentials"),
        (format!("[profile a]\n{role}\n"), "nothing to assume it from"),
        (format!("[profile a]\n{role}\nsource_profile = b\n"), "`b` (source_profile of `a`) is not in"),
        (format!("[profile a]\n{role}\nsource_profile = a\n"), "its own source_profile"),
        (
            format!("[profile a]\n{role}\nsource_profile = b\n[profile b]\n{role}\nsource_profile = a\n"),
            "cycle: a -> b -> a",
        ),
        (
            format!("[profile a]\n{role}\nsource_profile = b\nweb_identity_token_file = /t\n"),
            "more than one of",
        ),
        (format!("[profile a]\n{role}\ncredential_source = Pod\n"), "none of Environment, EcsContainer"),
        (format!("[profile a]\n{role}\ncredential_source = Environment\n"), "AWS_ACCESS_KEY_ID is not set"),
        (
            format!("[profile a]\n{role}\ncredential_source = EcsContainer\n"),
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        ),
        ("[profile a]\nweb_identity_token_file = /t\n".to_owned(), "but no role_arn"),
        (
            "[profile a]\nrole_arn = role/a\nweb_identity_token_file = /t\n".to_owned(),
            "key role_arn: `role/a` is not the ARN",
        ),
        (
            format!("[profile a]\n{role}\nweb_identity_token_file = /t\nduration_seconds = 60\n"),
            "key duration_seconds",
        ),
        (
            format!("[profile a]\n{role}\nweb_identity_token_file = /t\nduration_seconds = 1h\n"),
            "900 to 43200",
        ),
        (
            format!("[profile a]\n{role}\nweb_identity_token_file = /t\nrole_session_name = a b\n"),
            "key role_session_name",
        ),
        (format!("[profile a]\n{role}\nsource_profile = b\nmfa_serial = x\n[profile b]\n"), "mfa_serial"),
        ("[profile a]\nsso_session = x\n".to_owned(), "single sign-on is for people"),
        (
            "[profile a]\naws_access_key_id = A\n".to_owned(),
            "has aws_access_key_id, but no aws_secret_access_key",
        ),
        ("[profile a]\naws_secret_access_key = A\n".to_owned(), "but no aws_access_key_id"),
        (format!("[profile a]\n{keys}credential_process = /bin/x\n"), "has credential_process beside"),
        (format!("[profile a]\n{keys}web_identity_token_file = /t\n"), "has web_identity_token_file beside"),
        (
            format!("[profile a]\n{role}\nsource_profile = a\n{keys}credential_process = /bin/x\n"),
            "has credential_process beside",
        ),
        (
            format!(
                "[profile a]\n{role}\nsource_profile = b\n[profile b]\n{role}\n{keys}web_identity_token_file = /t\n"
            ),
            "profile `b`",
        ),
        (
            "[profile a]\nduration_seconds = 900\n  aws_secret_access_key = hush\n".to_owned(),
            "has a duration_seconds that goes on in the next line",
        ),
        (
            format!("[profile a]\n{role}\nweb_identity_token_file = /t\nendpoint_url = host:1\n"),
            "key endpoint_url",
        ),
    ] {
        let error = Case::new().config(&text).profile("a").irsa().error().await;
        assert!(error.contains(expected) && !error.contains("hush"), "{expected}: {error}");
    }
}

#[tokio::test]
async fn chains_of_any_length_and_every_base() {
    let role = |name: &str, rest: &str| {
        format!("[profile {name}]\nrole_arn = arn:aws:iam::111111111111:role/{name}\n{rest}\n")
    };
    let long = role("c", "source_profile = b\nexternal_id = secret-handshake\nduration_seconds = 900")
        + &role("b", "source_profile = a")
        + &role("a", "web_identity_token_file = /t");
    let spec = Case::new().config(&long).profile("c").resolve().await.unwrap();
    let names: Vec<_> = spec.hops.iter().map(|hop| hop.role.arn.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["b", "c"]);
    assert_eq!(spec.hops[1].role.external_id.as_deref(), Some("secret-handshake"));
    assert_eq!(spec.hops[1].role.duration, Some(std::time::Duration::from_mins(15)));

    for (text, expected) in [
        (role("a", "source_profile = a\naws_access_key_id = AK\naws_secret_access_key = s"), "access key AK"),
        (
            role("a", "source_profile = k")
                + "[profile k]\naws_access_key_id = AK\naws_secret_access_key = s\n",
            "access key AK",
        ),
        // Keys of a source profile come before its role.
        (
            role("a", "source_profile = k")
                + &role("k", "source_profile = z\naws_access_key_id = AK\naws_secret_access_key = s"),
            "access key AK",
        ),
        (role("a", "credential_source = Environment"), "access key AKIAENV"),
        (role("a", "credential_source = ecscontainer"), "container credentials"),
        (role("a", "credential_source = Ec2InstanceMetadata"), "instance metadata"),
        (
            role("a", "source_profile = p") + "[profile p]\ncredential_process = /bin/keys --json\n",
            "credential_process",
        ),
    ] {
        let plan = Case::new().config(&text).profile("a").keys().container().plan().await;
        assert!(plan.starts_with(expected) && plan.contains("role/a (profile `a`)"), "{expected}: {plan}");
    }
}

#[tokio::test]
async fn the_credentials_file_comes_before_the_config_file() {
    let case = Case::new()
        .config("[profile a]\naws_access_key_id = AKCONFIG\naws_secret_access_key = s\nregion = eu-west-1\n")
        .credentials("[a]\naws_access_key_id = AKFILE\naws_secret_access_key = s\n")
        .profile("a");
    assert!(case.plan().await.starts_with("access key AKFILE"));
}

#[tokio::test]
async fn session_names_option_variable_profile_default() {
    let names = async |case: &Case| {
        let spec = case.resolve().await.unwrap();
        let Source::WebIdentity(web) = &spec.source else { panic!("{spec:?}") };
        let hops = spec.hops.iter().map(|hop| hop.role.session_name.clone().unwrap());
        std::iter::once(web.role.session_name.clone().unwrap()).chain(hops).collect::<Vec<_>>()
    };
    let mut case = Case::new().config(SEED).profile("external");
    let on_top = "arn=arn:aws:iam::444444444444:role/x,session-name=own".parse().unwrap();
    case.settings.assume_roles = vec!["arn:aws:iam::444444444444:role/y".parse().unwrap(), on_top];
    assert_eq!(names(&case).await, ["glue-trigger-host", "lambda-trigger", "glue-trigger-host", "own"]);
    let mut case = case.var("AWS_ROLE_SESSION_NAME", "from-env");
    assert_eq!(names(&case).await, ["from-env", "from-env", "from-env", "own"]);
    case.settings.role_session_name = Some("from-option".into());
    assert_eq!(names(&case).await, ["from-option", "from-option", "from-option", "own"]);
    case.settings.role_session_name = Some("not valid".into());
    assert!(case.error().await.contains("--role-session-name"));
}

#[tokio::test]
async fn regions_option_variables_profile_and_who_won() {
    let case = |region: &str, default_region: &str, option: Option<&str>| {
        let mut case = Case::new().config(SEED).profile("external");
        case.vars.retain(|(name, _)| name != "AWS_REGION");
        case.settings.region = option.map(str::to_owned);
        case.var("AWS_REGION", region).var("AWS_DEFAULT_REGION", default_region)
    };
    for (case, region, note) in [
        (
            case("eu-west-1", "eu-west-2", Some("eu-west-3")),
            "eu-west-3",
            "--region wins; AWS_REGION says eu-west-1",
        ),
        (
            case("eu-west-1", "eu-west-2", None),
            "eu-west-1",
            "AWS_DEFAULT_REGION says eu-west-2, profile `external` says us-east-2",
        ),
        (case("", "eu-west-2", None), "eu-west-2", "profile `external` says us-east-2"),
        (case("", "", None), "us-east-2", ""),
        (case("us-east-2", "us-east-2", None), "us-east-2", ""),
    ] {
        let spec = case.resolve().await.unwrap();
        assert_eq!(spec.region(), region);
        assert!(spec.notes().join("\n").contains(note), "{note}: {:?}", spec.notes());
        assert_eq!(spec.notes().is_empty(), note.is_empty(), "{:?}", spec.notes());
    }
    let nearest = SEED.replace("source_profile = cats\nregion = us-east-2", "source_profile = cats");
    let mut case = Case::new().config(&nearest).profile("external");
    case.vars.retain(|(name, _)| name != "AWS_REGION");
    assert_eq!(case.resolve().await.unwrap().region(), "us-east-2");
    let mut none = Case::new().irsa();
    none.vars.retain(|(name, _)| name != "AWS_REGION");
    assert!(none.error().await.contains("no region"));
    assert!(case.var("AWS_REGION", "us east").error().await.contains("not the name of a region"));
}

#[tokio::test]
async fn halves_of_a_pair_are_named() {
    for (vars, expected) in [
        (vec![("AWS_ACCESS_KEY_ID", "A")], "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"),
        (vec![("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/a")], "serviceAccountName"),
        (vec![("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")], "role-arn annotation"),
        (vec![], "no credentials are configured"),
        (
            vec![
                ("AWS_ENDPOINT_URL", "127.0.0.1:5600"),
                ("AWS_ACCESS_KEY_ID", "A"),
                ("AWS_SECRET_ACCESS_KEY", "b"),
            ],
            "AWS_ENDPOINT_URL is `127.0.0.1:5600`",
        ),
        (
            vec![
                ("AWS_ENDPOINT_URL_GLUE", "glue"),
                ("AWS_ACCESS_KEY_ID", "A"),
                ("AWS_SECRET_ACCESS_KEY", "b"),
            ],
            "AWS_ENDPOINT_URL_GLUE",
        ),
        (
            vec![
                ("AWS_USE_FIPS_ENDPOINT", "maybe"),
                ("AWS_ACCESS_KEY_ID", "A"),
                ("AWS_SECRET_ACCESS_KEY", "b"),
            ],
            "neither true nor false",
        ),
    ] {
        let case = vars.into_iter().fold(Case::new(), |case, (name, value)| case.var(name, value));
        let error = case.error().await;
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[tokio::test]
async fn no_secret_is_in_any_debug_form() {
    let mut case = Case::new()
        .config("[profile a]\nrole_arn = arn:aws:iam::111111111111:role/a\nsource_profile = a\naws_access_key_id = AK\naws_secret_access_key = hush-file\n")
        .keys();
    case.settings.profile = Some("a".into());
    let env: Env = case.vars.iter().cloned().collect();
    let spec = case.resolve().await.unwrap();
    let task = Case::new()
        .var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/hush-id")
        .resolve()
        .await
        .unwrap();
    let process =
        Case::new().config("[profile p]\ncredential_process = /bin/keys --password hush\n").profile("p");
    let process = process.resolve().await.unwrap();
    let all =
        format!("{env:?} {spec:?} {spec:#?} {} {task:?} {} {process:?}", spec.describe(), task.describe());
    assert!(!all.contains("hush"), "{all}");
    assert!(Path::new(case.folder.path()).exists());
}

/// A line of a profile file, right or wrong.
fn line() -> impl proptest::strategy::Strategy<Value = String> {
    let name = "(a|b|default|profile a|profile b|services s|é|)";
    let key = "(role_arn|source_profile|credential_source|web_identity_token_file|role_session_name|external_id|\
               duration_seconds|region|endpoint_url|services|credential_process|aws_access_key_id|mfa_serial|\
               sso_session|[a-z]{0,4})";
    let value = "(arn:aws:iam::111111111111:role/[a-z]{1,3}|a|b|default|Environment|EcsContainer|[0-9]{1,12}|/t|us-east-2|s|\\PC{0,8})";
    let regex = |text: String| proptest::string::string_regex(&text).unwrap();
    proptest::prop_oneof![
        4 => regex(format!("{key} ?= ?{value}")),
        2 => regex(format!("\\[{name}\\]")),
        2 => " ?aws_(secret_access_key|session_token) = hush",
        1 => "( |\t)[a-z]{1,6} = [a-z]{0,4}",
        1 => "[#;]?\\PC{0,12}",
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 300,
        rng_seed: proptest::test_runner::RngSeed::Fixed(8),
        failure_persistence: None,
        ..Default::default()
    })]

    /// Whatever stands in both files, there is a plan or one sentence, and no secret in either.
    #[test]
    fn any_files_are_a_plan_or_are_refused_in_one_line_without_their_secrets(
        config in proptest::collection::vec(line(), 0..14),
        credentials in proptest::collection::vec(line(), 0..6),
    ) {
        let case = Case::new().config(&config.join("\n")).credentials(&credentials.join("\n")).profile("a");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = match runtime.block_on(case.resolve()) {
            Ok(spec) => format!("{spec:?} {}", spec.describe()),
            Err(error) => {
                let told = error.to_string();
                assert!(!told.is_empty() && !told.contains('\n'), "{told:?}");
                format!("{told} {error:?}")
            }
        };
        assert!(!told.contains("hush"), "{told}");
    }
}

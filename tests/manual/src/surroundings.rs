//! What a program reads beside its options: variables without an option of the same meaning, and files.

use chained_credentials::env as chain;
use job_runtime::env;

/// Variables that every binary reads, by what they are for.
pub(crate) const VARIABLES: [(&[&str], &str); 12] = [
    (
        &[chain::ACCESS_KEY_ID, chain::SECRET_ACCESS_KEY, chain::SESSION_TOKEN],
        "Static keys: the first credentials, unless --profile is given.",
    ),
    (
        &[chain::PROFILE, chain::DEFAULT_PROFILE],
        "The profile that the first credentials come from, unless --profile or static keys are given. It fails where it \
         is not usable: no other source is tried.",
    ),
    (
        &[chain::CONFIG_FILE, chain::SHARED_CREDENTIALS_FILE],
        "The files with profiles, in place of ~/.aws/config and ~/.aws/credentials.",
    ),
    (
        &[chain::WEB_IDENTITY_TOKEN_FILE, chain::ROLE_ARN],
        "Token and role of a Kubernetes service account (IRSA), where no profile and no key is given.",
    ),
    (
        &[
            chain::CONTAINER_RELATIVE_URI,
            chain::CONTAINER_FULL_URI,
            chain::CONTAINER_TOKEN,
            chain::CONTAINER_TOKEN_FILE,
        ],
        "Where a task of ECS or a pod with EKS Pod Identity gets its credentials; after all of the above.",
    ),
    (
        &[chain::EC2_METADATA_DISABLED, chain::EC2_METADATA_ENDPOINT],
        "Whether instance metadata is asked at all, and where; only with --allow-instance-metadata.",
    ),
    (&[chain::REGION, chain::DEFAULT_REGION], "The region, unless --region is given."),
    (
        &[chain::ENDPOINT_URL, chain::IGNORE_CONFIGURED_ENDPOINT_URLS],
        "Address of every service (of one: AWS_ENDPOINT_URL_SERVICE), and whether such settings are ignored.",
    ),
    (&[chain::USE_FIPS_ENDPOINT, chain::USE_DUALSTACK_ENDPOINT], "true: endpoints of that kind."),
    (
        &[
            env::HTTPS_PROXY[1],
            env::HTTP_PROXY[1],
            env::ALL_PROXY[1],
            env::NO_PROXY[1],
            env::HTTPS_PROXY[0],
            env::HTTP_PROXY[0],
            env::ALL_PROXY[0],
            env::NO_PROXY[0],
        ],
        "Proxies, and what is reached without one. The names in lower case win.",
    ),
    (
        &[env::RUST_LOG],
        "What is logged: error, warn, info (the default), debug, trace, or levels by target such as \
         info,job_runtime=debug.",
    ),
    (
        &[env::COMPLETION_INDEX, env::HOSTNAME],
        "Set by Kubernetes: the index of an Indexed Job's pod, a part of the idempotency key, and the pod's name, a part \
         of the name of role sessions.",
    ),
];

/// Files that every binary reads or writes.
pub(crate) const FILES: [(&str, &str); 4] = [
    ("~/.aws/config, ~/.aws/credentials", "Profiles, in the format of the AWS CLI."),
    (
        "/dev/termination-log",
        "Gets the last word, one JSON object, where it exists: what Kubernetes shows as the container's message.",
    ),
    (
        "/etc/ssl/certs/ca-certificates.crt, /etc/pki/tls/certs/ca-bundle.crt, /etc/ssl/cert.pem",
        "Further roots, read where a server's certificate is of none that is built in; SSL_CERT_FILE names another file.",
    ),
    (
        "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        "Where EKS puts the token of a service account; AWS_WEB_IDENTITY_TOKEN_FILE says so.",
    ),
];

/// The variables that one command alone reads: its page, the variable, what it is for.
pub(crate) const OWN_VARIABLES: [(&str, &str, &str); 2] = [
    ("rds-connect", "PGPASSWORD", "The password, where neither --iam nor a secret nor a file is given."),
    (
        "eks-token-token",
        "KUBERNETES_EXEC_INFO",
        "Set by kubectl: the version of the interface that it wants its answer in.",
    ),
];

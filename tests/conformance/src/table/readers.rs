//! Rows of the binaries that begin no work of AWS's: rds-connect, eks-token, chain-check.

use testkit::{Site, Worlds};

use super::{Part, READ, Row, WAY};

pub(super) fn rds() -> Vec<Row> {
    let rds = Row { binary: "rds-connect", ..READ };
    vec![
        Row {
            name: "rds-connect-token",
            args: &["token", "--iam", "--host=mydb.cluster-abc123.us-east-2.rds.amazonaws.com", "--user=u"],
            secret_result: true,
            way: WAY,
            ..rds
        },
        Row {
            name: "rds-connect-exec",
            args: &["exec", "--secret-id=orders-db"],
            after: &["--", "/bin/true"],
            calls: &[("secretsmanager:GetSecretValue", Part::Read)],
            ..rds
        },
    ]
}

pub(super) fn eks() -> Vec<Row> {
    let eks = Row { binary: "eks-token", ..READ };
    vec![
        Row {
            name: "eks-token",
            args: &["token", "--cluster-name=target"],
            secret_result: true,
            way: WAY,
            ..eks
        },
        Row {
            name: "eks-token-clusters",
            args: &["clusters"],
            calls: &[("eks:ListClusters", Part::Read)],
            ..eks
        },
        Row {
            name: "eks-token-describe",
            args: &["describe", "--cluster-name=target"],
            calls: &[("eks:DescribeCluster", Part::Read)],
            ..eks
        },
    ]
}

fn on_a_machine(site: Site) -> Site {
    let url = site.sandbox.url();
    site.without("AWS_PROFILE").without("AWS_CONFIG_FILE").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
}

pub(super) fn chain() -> Vec<Row> {
    let chain = Row { binary: "chain-check", ..READ };
    vec![
        Row { name: "chain-check", way: WAY, calls: &[("sts:GetCallerIdentity", Part::Read)], ..chain },
        Row {
            name: "chain-check-container",
            world: Worlds::pod_identity,
            place: Site::with_pod_identity,
            calls: &[("container-credentials:GetCredentials", Part::Read)],
            ..chain
        },
        Row {
            name: "chain-check-machine",
            args: &["--allow-instance-metadata"],
            world: || {
                format!(
                    "{}\n[instance_metadata]\nrole = 'arn:aws:iam::111111111111:role/cats-glue'\n",
                    Worlds::TWO_ACCOUNTS
                )
            },
            place: on_a_machine,
            calls: &[
                ("instance-metadata:GetToken", Part::Read),
                ("instance-metadata:GetRoleName", Part::Read),
                ("instance-metadata:GetCredentials", Part::Read),
            ],
            ..chain
        },
    ]
}

//! The clusters of a world.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::clock::epoch_seconds;
use crate::crypto::{base64, hex, random};
use crate::world::World;

/// Everything about EKS in a world.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EksWorld {
    /// The clusters, each with an API server on a port of its own.
    #[serde(default)]
    pub clusters: Vec<Cluster>,
}

/// A cluster.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Account it is in.
    pub account: String,
    /// Region; the world's where absent.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
    /// `CREATING`, `ACTIVE`, `DELETING`, `FAILED`, `UPDATING` or `PENDING`.
    #[serde(default = "default_status")]
    pub status: String,
    /// Version of Kubernetes.
    #[serde(default = "default_version")]
    pub version: String,
    /// What is returned in place of the address of its API server.
    pub endpoint: Option<String>,
    /// ARNs of the IAM users and roles that are let in, by access entries or by the `aws-auth` map. They may read
    /// everything.
    #[serde(default)]
    pub access: Vec<String>,
    /// Names of pods, by namespace.
    #[serde(default)]
    pub pods: BTreeMap<String, Vec<String>>,
}

/// A cluster, and where its API server listens.
#[derive(Debug)]
pub(crate) struct KnownCluster {
    pub(crate) cluster: Cluster,
    pub(crate) partition: String,
    pub(crate) region: String,
    created: OffsetDateTime,
    /// The last part of the address of its OIDC issuer.
    oidc_id: String,
    /// Address and authority of the API server, once it listens.
    server: Option<(String, String)>,
}

/// All clusters.
#[derive(Debug)]
pub(crate) struct Eks {
    clusters: Vec<KnownCluster>,
}

impl Eks {
    pub(crate) fn new(world: &World, now: OffsetDateTime) -> Self {
        let known = |cluster: &Cluster| KnownCluster {
            partition: world.partition(&cluster.account).to_owned(),
            region: cluster.region.clone().unwrap_or_else(|| world.region.clone()),
            created: now,
            oidc_id: hex(&random::<16>()).to_uppercase(),
            server: None,
            cluster: cluster.clone(),
        };
        Self { clusters: world.eks.clusters.iter().map(known).collect() }
    }

    /// The clusters of an account and region.
    pub(crate) fn of(&self, account: &str, region: &str) -> impl Iterator<Item = &KnownCluster> {
        self.clusters.iter().filter(move |known| known.cluster.account == account && known.region == region)
    }

    /// A cluster by its place in the world.
    pub(crate) fn at(&self, index: usize) -> Option<&KnownCluster> {
        self.clusters.get(index)
    }

    /// Tells where the API server of a cluster listens, and who vouches for it.
    pub(crate) fn listens(&mut self, index: usize, endpoint: String, ca_pem: String) {
        if let Some(known) = self.clusters.get_mut(index) {
            known.server = Some((endpoint, ca_pem));
        }
    }
}

impl KnownCluster {
    /// What `DescribeCluster` says. A cluster that is being made has no endpoint and no authority yet.
    pub(crate) fn describe(&self) -> Value {
        let Self { cluster, partition, region, oidc_id, .. } = self;
        let Cluster { account, name, status, version, .. } = cluster;
        let server =
            self.server.as_ref().filter(|_| !matches!(status.as_str(), "CREATING" | "FAILED" | "PENDING"));
        let mut described = json!({
            "name": name,
            "arn": format!("arn:{partition}:eks:{region}:{account}:cluster/{name}"),
            "createdAt": epoch_seconds(self.created),
            "version": version,
            "roleArn": format!("arn:{partition}:iam::{account}:role/eks-cluster"),
            "resourcesVpcConfig": {
                "subnetIds": ["subnet-0a1b2c3d4e5f60718"],
                "vpcId": "vpc-0a1b2c3d4e5f60718",
                "endpointPublicAccess": true,
                "endpointPrivateAccess": true,
                "publicAccessCidrs": ["0.0.0.0/0"],
            },
            "status": status,
            "certificateAuthority": {},
            "platformVersion": "eks.1",
            "tags": {},
            "accessConfig": { "authenticationMode": "API_AND_CONFIG_MAP" },
        });
        if let Some((endpoint, ca_pem)) = server {
            described["endpoint"] = json!(cluster.endpoint.as_ref().unwrap_or(endpoint));
            described["certificateAuthority"] = json!({ "data": base64(ca_pem.as_bytes()) });
            let issuer = format!("https://oidc.eks.{region}.amazonaws.com/id/{oidc_id}");
            described["identity"] = json!({ "oidc": { "issuer": issuer } });
        }
        described
    }
}

fn default_status() -> String {
    "ACTIVE".into()
}

fn default_version() -> String {
    "1.34".into()
}

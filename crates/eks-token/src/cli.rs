//! The command line.

#![allow(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use job_runtime::{Options, OutputArgs};

use crate::file;
use crate::job::{Kubeconfig, Request, Work};
use crate::token::ApiVersion;

/// The options of `eks-token`.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Cli {
    #[command(subcommand)]
    work: WorkArgs,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum WorkArgs {
    /// Print a token, as a credential plugin of kubectl does; --output text prints it bare
    ///
    /// The twin of "aws eks get-token". The version of the answer is the one that KUBERNETES_EXEC_INFO asks for.
    #[command(after_help = "\
Examples:
  eks-token token --cluster-name target --region us-east-2 --profile target-env")]
    Token(TokenArgs),
    /// Write a kubeconfig whose user is this program, or add to one
    ///
    /// The twin of "aws eks update-kubeconfig". What else is in the file stays, but for its comments. Profile, roles and
    /// region of this run are those of every token; keys and tokens of the environment are never written.
    #[command(after_help = "\
Examples:
  eks-token kubeconfig --cluster-name target --region us-east-2 --profile target-env --alias target
  kubectl --context target get pods")]
    Kubeconfig(KubeconfigArgs),
    /// List the names of the clusters
    #[command(after_help = "\
Examples:
  eks-token clusters --region us-east-2 --profile target-env --output text")]
    Clusters,
    /// Print what eks:DescribeCluster tells of a cluster
    #[command(after_help = "\
Examples:
  eks-token describe --cluster-name target --region us-east-2 --profile target-env")]
    Describe(ClusterArgs),
}

#[derive(Debug, Args)]
#[group(skip)]
struct ClusterArgs {
    /// Name of the cluster
    #[arg(long, alias = "name", env = "EKS_CLUSTER_NAME", value_name = "NAME", value_parser = cluster_name)]
    cluster_name: String,
}

#[derive(Debug, Args)]
#[group(skip)]
struct TokenArgs {
    /// Name of the cluster; the id of a local cluster on AWS Outposts
    // Both as for the AWS CLI, which has two options for the one header.
    #[arg(long, visible_alias = "cluster-id", env = "EKS_CLUSTER_NAME", value_name = "NAME", value_parser = cluster_name)]
    cluster_name: String,

    /// What kubectl tells its plugins
    #[arg(long, env = "KUBERNETES_EXEC_INFO", hide = true)]
    exec_info: Option<String>,
}

#[derive(Debug, Args)]
#[group(skip)]
struct KubeconfigArgs {
    #[command(flatten)]
    cluster: ClusterArgs,

    /// The file to write; of several with colons between them the one that has the cluster, else the first [default:
    /// ~/.kube/config]
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<String>,

    /// Name of the context, and of its user [default: the cluster's ARN]
    #[arg(long, env = "EKS_ALIAS", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    alias: Option<String>,

    /// Name of the user [default: that of the context]
    #[arg(long, env = "EKS_USER_ALIAS", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    user_alias: Option<String>,

    /// Namespace of the context
    #[arg(long, short = 'n', env = "EKS_NAMESPACE", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    namespace: Option<String>,

    /// Leave the current context as it is, if there is one
    #[arg(long, env = "EKS_KEEP_CURRENT_CONTEXT")]
    keep_current_context: bool,

    /// The program that kubectl runs for a token: a name on its PATH, or a path
    #[arg(
        long,
        env = "EKS_EXEC_COMMAND",
        value_name = "PROGRAM",
        default_value = "eks-token",
        value_parser = NonEmptyStringValueParser::new()
    )]
    exec_command: String,

    /// Version of the plugin's interface; v1 needs kubectl 1.22
    #[arg(long, env = "EKS_EXEC_API_VERSION", value_name = "VERSION", default_value = "v1")]
    exec_api_version: ApiVersion,

    /// Print the whole kubeconfig instead of writing it
    #[arg(long, env = "EKS_DRY_RUN")]
    dry_run: bool,

    /// Where ~ is
    #[arg(long, env = "HOME", hide = true)]
    home: Option<PathBuf>,
}

impl Options for Cli {
    type Request = Request;

    fn begins_work(_: &str) -> bool {
        false
    }

    fn into_request(self) -> Result<Request, String> {
        let work = match self.work {
            WorkArgs::Token(TokenArgs { cluster_name, exec_info }) => {
                let version = exec_info.map(|info| ApiVersion::asked(&info)).transpose()?.unwrap_or_default();
                Work::Token { cluster: cluster_name, version }
            }
            WorkArgs::Kubeconfig(args) => Work::Kubeconfig(Box::new(args.into_kubeconfig()?)),
            WorkArgs::Clusters => Work::Clusters,
            WorkArgs::Describe(ClusterArgs { cluster_name }) => Work::Describe { cluster: cluster_name },
        };
        Ok(Request { work, output: self.output.output })
    }
}

impl KubeconfigArgs {
    fn into_kubeconfig(self) -> Result<Kubeconfig, String> {
        let files = match self.kubeconfig {
            Some(list) => list.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect(),
            None => self.home.map(|home| home.join(".kube/config")).into_iter().collect::<Vec<_>>(),
        };
        if files.is_empty() {
            return Err(
                "there is no place for the kubeconfig: set --kubeconfig, KUBECONFIG or HOME".to_owned()
            );
        }
        if !self.dry_run {
            for path in &files {
                file::check(path).map_err(|problem| {
                    format!(
                        "the kubeconfig {} cannot be written: {problem} (--kubeconfig, KUBECONFIG)",
                        path.display()
                    )
                })?;
            }
        }
        Ok(Kubeconfig {
            cluster: self.cluster.cluster_name,
            files,
            alias: self.alias,
            user_alias: self.user_alias,
            namespace: self.namespace,
            use_context: !self.keep_current_context,
            command: self.exec_command,
            api_version: self.exec_api_version,
            dry_run: self.dry_run,
        })
    }
}

/// 1 to 100 characters of `[0-9A-Za-z][A-Za-z0-9\-_]*`: the pattern of `ClusterName` in the EKS API; ids of local
/// clusters have the same.
fn cluster_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && text.len() <= 100 && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("it must be 1 to 100 letters, digits, hyphens and underscores, and begin with a letter or a digit".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, FromArgMatches as _};

    fn request(args: &[&str]) -> Result<Request, String> {
        let command = Cli::augment_args(Command::new("eks-token"));
        let matches = command.try_get_matches_from(args).map_err(|error| error.to_string())?;
        Cli::from_arg_matches(&matches).map_err(|error| error.to_string())?.into_request()
    }

    #[test]
    fn a_token_is_for_a_cluster() {
        for (args, expected) in [
            (&["x", "token", "--cluster-name", "target"][..], "target"),
            (&["x", "token", "--cluster-id", "0a1b-2c"], "0a1b-2c"),
        ] {
            let Work::Token { cluster, version } = request(args).unwrap().work else { panic!() };
            assert_eq!((cluster.as_str(), version), (expected, ApiVersion::V1beta1));
        }
        for name in ["", "-x", "a b", "a/b", &"x".repeat(101)] {
            assert!(request(&["x", "token", &format!("--cluster-name={name}")]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_kubeconfig_has_a_place() {
        let files = |more: &[&str]| {
            let args = ["x", "kubeconfig", "--cluster-name", "t", "--home", "/home/me"].iter().chain(more);
            let Work::Kubeconfig(made) = request(&args.copied().collect::<Vec<_>>()).unwrap().work else {
                panic!()
            };
            made.files
        };
        assert_eq!(files(&[]), [PathBuf::from("/home/me/.kube/config")]);
        assert_eq!(files(&["--kubeconfig", "/a:/b"]), [PathBuf::from("/a"), PathBuf::from("/b")]);
        // A context without a name is one that nobody can use.
        for option in ["--alias", "--user-alias", "--namespace", "--exec-command"] {
            assert!(request(&["x", "kubeconfig", "--cluster-name", "t", option, ""]).is_err(), "{option}");
        }
    }
}

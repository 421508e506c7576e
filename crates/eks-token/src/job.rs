//! What is done: a token, a kubeconfig, or a look at the clusters.

use std::path::PathBuf;

use aws_smithy_types::DateTime;
use chained_credentials::Presign;
use job_runtime::{
    CallError, Check, Context, Exit, Handover, Output, Report, Survey, aligned, json, rfc3339,
};
use serde_json::{Value, json};
use tokio::time::sleep_until;

use crate::Error;
use crate::eks::{DESCRIBE, Eks, LIST};
use crate::file;
use crate::kubeconfig::{Entry, Exec, Refusal, has_cluster, merge};
use crate::token::{self, ApiVersion};

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    pub(crate) work: Work,
    pub(crate) output: Output,
}

/// The commands.
#[derive(Debug)]
pub(crate) enum Work {
    Token { cluster: String, version: ApiVersion },
    Kubeconfig(Box<Kubeconfig>),
    Clusters,
    Describe { cluster: String },
}

/// What is to be written, and where.
#[derive(Debug)]
pub(crate) struct Kubeconfig {
    pub(crate) cluster: String,
    /// The first that has the cluster, else the first; there is one.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) alias: Option<String>,
    pub(crate) user_alias: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) use_context: bool,
    pub(crate) command: String,
    pub(crate) api_version: ApiVersion,
    pub(crate) dry_run: bool,
}

/// Does what is asked for, within `--timeout`.
///
/// # Errors
/// Whatever keeps it from a result.
pub async fn run(request: Request, ctx: &Context) -> Result<Report, Error> {
    tokio::select! {
        report = execute(request, ctx) => report,
        () = ctx.cancelled() => Err(Error::Interrupted(ctx.interruption().unwrap_or(Exit::Terminated))),
        () = sleep_until(ctx.deadline()) => Err(Error::Timeout),
    }
}

async fn execute(request: Request, ctx: &Context) -> Result<Report, Error> {
    let Request { work, output } = request;
    if ctx.check() {
        return check(&work, output, ctx).await;
    }
    let eks = Eks::new(ctx.sdk_config());
    match work {
        Work::Token { cluster, version } => {
            let (token, expires) = make_token(&cluster, ctx).await?;
            Ok(Report::ok(match output {
                Output::Json => token::exec_credential(version, &token, expires),
                Output::Text => token,
            }))
        }
        Work::Kubeconfig(asked) => {
            write(&asked, &describe(&eks, &asked.cluster, ctx).await?, output, ctx).await
        }
        Work::Clusters => {
            let names = eks.list().await?;
            Ok(Report::ok(match output {
                Output::Json => json(&json!({ "clusters": names })),
                Output::Text => names.join("\n"),
            }))
        }
        Work::Describe { cluster } => {
            let described = describe(&eks, &cluster, ctx).await?;
            Ok(Report::ok(match output {
                Output::Json => json(&json!({ "cluster": described })),
                Output::Text => outline(&described),
            }))
        }
    }
}

/// A token for a cluster, and until when kubectl may use it.
async fn make_token(cluster: &str, ctx: &Context) -> Result<(String, std::time::SystemTime), Error> {
    let region = &ctx.place().region;
    let fips = ctx.sdk_config().use_fips() == Some(true);
    let presign = Presign {
        service: "sts",
        region,
        url: &token::url(region, fips),
        headers: &[(token::CLUSTER_HEADER, cluster)],
        expires_in: token::EXPIRES_IN,
    };
    let chain = ctx.chain().ok_or(Error::NoChain)?;
    let signed = chain.presign(&presign, token::SHORTEST_LIFE).await?;
    let token = token::token(&signed.url);
    if token.len() > token::LONGEST {
        let (bytes, limit) = (token.len(), token::LONGEST);
        tracing::warn!(
            bytes,
            limit,
            "clusters refuse so long a token; use fewer session tags and policies in the chain"
        );
    }
    Ok((token, token::expiration(signed.signed_at, signed.session_expires)))
}

/// What EKS tells of a cluster, its times for people.
async fn describe(eks: &Eks<'_>, name: &str, ctx: &Context) -> Result<Value, Error> {
    let mut described = eks.describe(name).await.map_err(|source| match source.code() {
        Some("ResourceNotFoundException") => {
            let place = ctx.place().to_string();
            Error::NoCluster { name: name.to_owned(), place, source: Box::new(source) }
        }
        _ => source.into(),
    })?;
    let created = described.get("createdAt").and_then(Value::as_f64).map(DateTime::from_secs_f64);
    if let Some(time) = created.and_then(rfc3339) {
        described["createdAt"] = time.into();
    }
    Ok(described)
}

/// The cluster in a few lines.
fn outline(described: &Value) -> String {
    let lines = [
        ("name", "/name"),
        ("arn", "/arn"),
        ("status", "/status"),
        ("version", "/version"),
        ("created", "/createdAt"),
        ("endpoint", "/endpoint"),
        ("oidc issuer", "/identity/oidc/issuer"),
        ("authentication", "/accessConfig/authenticationMode"),
    ];
    let text = |pointer| described.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
    aligned(lines.into_iter().map(|(name, pointer)| (name, text(pointer))))
}

async fn write(
    asked: &Kubeconfig,
    described: &Value,
    output: Output,
    ctx: &Context,
) -> Result<Report, Error> {
    let entry = entry(asked, described, ctx.handover(), &ctx.place().region)?;
    let mut texts = Vec::with_capacity(asked.files.len());
    for path in &asked.files {
        texts.push((path, file::read(path, asked.dry_run).await?));
    }
    let known = texts.iter().position(|(_, text)| has_cluster(text, &entry.cluster)).unwrap_or_default();
    let (path, text) = &texts[known];
    let change = |text: &str| {
        merge(text, &entry).map_err(|refusal| match refusal {
            Refusal::NotAKubeconfig(problem) => Error::NotAKubeconfig { path: (*path).clone(), problem },
            Refusal::UserOfAnotherTool => {
                Error::UserOfAnotherTool { path: (*path).clone(), user: entry.user.clone() }
            }
        })
    };
    if asked.dry_run {
        return Ok(Report::ok(change(text)?.0));
    }
    let new = file::update(path, change).await?;
    let (context, path) = (&entry.context, path.display().to_string());
    Ok(Report::ok(match output {
        Output::Json => json(&json!({
            "kubeconfig": path,
            "action": if new { "added" } else { "updated" },
            "context": context,
            "cluster": entry.cluster,
            "user": entry.user,
            "server": entry.server,
        })),
        Output::Text => format!("{} context {context} in {path}", if new { "added" } else { "updated" }),
    }))
}

/// What stands in the kubeconfig for a cluster. Pure.
fn entry(asked: &Kubeconfig, described: &Value, handover: Handover, region: &str) -> Result<Entry, Error> {
    let name = &asked.cluster;
    let text = |member: &'static str, pointer: &str| {
        let found = described.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        found.map(str::to_owned).ok_or_else(|| Error::Incomplete { name: name.clone(), member })
    };
    let status = text("status", "/status")?;
    match status.as_str() {
        "CREATING" | "PENDING" => return Err(Error::NotYet { name: name.clone(), status }),
        "DELETING" | "FAILED" => return Err(Error::Gone { name: name.clone(), status }),
        // ACTIVE, UPDATING, and what there may be one day.
        _ => {}
    }
    let cluster = text("arn", "/arn")?;
    // A local cluster on Outposts goes by its id.
    let outpost = described.get("outpostConfig").is_some_and(Value::is_object);
    let id = if outpost { text("id", "/id")? } else { name.clone() };
    let context = asked.alias.clone().unwrap_or_else(|| cluster.clone());
    let Handover { args, env } = handover;
    // The form as well: JOB_OUTPUT of the pod that kubectl runs in is meant for others.
    let own_args =
        ["token", "--cluster-name", id.as_str(), "--region", region, "--output", "json"].map(str::to_owned);
    // kubectl shows what its plugins say, and they are not the main process of a container.
    let quiet = [("RUST_LOG", "warn".to_owned()), ("JOB_TERMINATION_LOG", "/dev/null".to_owned())];
    Ok(Entry {
        server: server(text("endpoint", "/endpoint")?, name)?,
        authority: text("certificate authority", "/certificateAuthority/data")?,
        user: asked.user_alias.clone().unwrap_or_else(|| context.clone()),
        namespace: asked.namespace.clone(),
        exec: Exec {
            api_version: asked.api_version.name(),
            command: asked.command.clone(),
            args: own_args.into_iter().chain(args).collect(),
            env: quiet.into_iter().chain(env).collect(),
        },
        use_context: asked.use_context,
        id,
        cluster,
        context,
    })
}

/// The address of an API server: kubectl sends its token there.
fn server(endpoint: String, cluster: &str) -> Result<String, Error> {
    let is_fine = endpoint.parse::<http::Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("https")
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    });
    if is_fine { Ok(endpoint) } else { Err(Error::Endpoint { name: cluster.to_owned() }) }
}

/// What can be known without writing anything.
async fn check(work: &Work, output: Output, ctx: &Context) -> Result<Report, Error> {
    let eks = Eks::new(ctx.sdk_config());
    let found = |name, found: Result<String, CallError>| match found {
        Ok(detail) => Check::ok(name, detail),
        Err(error) => Check::failed(name, &error),
    };
    let described = async |cluster: &str| {
        let status = |value: Value| value.get("status").and_then(Value::as_str).unwrap_or("?").to_owned();
        found(DESCRIBE, eks.describe(cluster).await.map(status))
    };
    let (subject, check) = match work {
        Work::Token { cluster, .. } => {
            make_token(cluster, ctx).await?;
            (
                cluster.as_str(),
                Check::ok("token", "was made; whether the cluster lets it in is known to the cluster alone"),
            )
        }
        Work::Kubeconfig(asked) => (asked.cluster.as_str(), described(&asked.cluster).await),
        Work::Describe { cluster } => (cluster.as_str(), described(cluster).await),
        Work::Clusters => {
            ("*", found(LIST, eks.list().await.map(|names| format!("{} clusters", names.len()))))
        }
    };
    let mut survey = Survey::new(("cluster", subject), ctx);
    survey.extend([check]);
    Ok(survey.report(output))
}

//! A running sandbox, for synchronous code.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::cloud::Cloud;
use crate::fault::Fault;
use crate::glue::{Course, Run};
use crate::lambda::{FunctionCourse, Invocation};
use crate::mwaa::DagRun;
use crate::rds::{self, Login};
use crate::record::Call;
use crate::redshift::Statement;
use crate::sagemaker::{EndpointCourse, Inference, TrainingCourse, TrainingJob};
use crate::server::{Port, listen};
use crate::stepfunctions::{ExecutionScript, MachineExecution};
use crate::work::{Effects, Work, WorkKind};
use crate::world::World;
use crate::{Error, tls};

/// What a sandbox listens on, and who is told about its calls.
#[derive(Debug, Default)]
pub struct Settings {
    /// Port for HTTP on the loopback interface; 0 is any.
    pub http_port: u16,
    /// Port for HTTPS; 0 is any.
    pub https_port: u16,
    /// Port of the forward proxy; 0 is any.
    pub proxy_port: u16,
    /// Each call is sent here when it has been answered.
    pub observer: Option<Sender<Call>>,
}

/// A sandbox that runs in a thread of its own until it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    cloud: Arc<Cloud>,
    http: SocketAddr,
    https: SocketAddr,
    proxy: SocketAddr,
    ca_pem: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts a world on random loopback ports.
    ///
    /// # Errors
    /// As [`Sandbox::start_with`].
    pub fn start(world: World) -> Result<Self, Error> {
        Self::start_with(world, Settings::default())
    }

    /// Starts a world. It listens when this returns.
    ///
    /// # Errors
    /// [`Error::Io`] where a port is taken or no thread is to be had, [`Error::Certificate`], [`Error::Tls`]
    /// and [`Error::Key`] where no keys can be made.
    pub fn start_with(world: World, settings: Settings) -> Result<Self, Error> {
        let identity = tls::identity(world.regions().into_iter())?;
        let cloud = Arc::new(Cloud::new(world, settings.observer)?);
        let bind = |port| -> Result<_, Error> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        let (http, plain) = bind(settings.http_port)?;
        let (https, encrypted) = bind(settings.https_port)?;
        let (proxy, forwarding) = bind(settings.proxy_port)?;
        let mut ports = vec![
            (plain, Port::Http),
            (encrypted, Port::Https(TlsAcceptor::from(identity.config))),
            (forwarding, Port::Proxy { http, https }),
        ];
        for index in 0..cloud.world.eks.clusters.len() {
            let (address, listener) = bind(0)?;
            let server = tls::cluster()?;
            cloud.eks().listens(index, format!("https://{address}"), server.ca_pem);
            ports.push((listener, Port::Cluster(TlsAcceptor::from(server.config), index)));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for (listener, port) in ports {
            let _guard = runtime.enter();
            runtime.spawn(listen(cloud.clone(), tokio::net::TcpListener::from_std(listener)?, port));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("sandbox".into()).spawn(move || {
            // Ends when told, and when the handle is gone.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Self {
            cloud,
            http,
            https,
            proxy,
            ca_pem: identity.ca_pem,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`: all services.
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// `https://localhost:PORT`: all services, with a certificate of the sandbox's own authority.
    pub fn https_url(&self) -> String {
        format!("https://localhost:{}", self.https.port())
    }

    /// `http://127.0.0.1:PORT`: a forward proxy, also for CONNECT. All names lead back to the sandbox.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy)
    }

    /// Certificate of the sandbox's authority, as a CA bundle.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A token as the kubelet projects it. `issuer` is the name or address of one of the world's issuers; any
    /// other address makes a token that nobody trusts.
    ///
    /// # Errors
    /// [`Error::Key`] where no signature can be made.
    pub fn token(&self, issuer: &str, sub: &str, aud: &str, lifetime: Duration) -> Result<String, Error> {
        self.cloud.token(issuer, sub, aud, lifetime)
    }

    /// All calls so far, in the order in which they were worked on; those whose answers are still to come are there.
    pub fn calls(&self) -> Vec<Call> {
        self.cloud.record().calls.clone()
    }

    /// How many calls of an operation there were, refused and spoilt ones included.
    pub fn count(&self, service: &str, operation: &str) -> usize {
        self.cloud.record().count(service, operation)
    }

    /// Request lines that the proxy saw, such as `CONNECT sts.us-east-2.amazonaws.com:443`.
    pub fn proxied(&self) -> Vec<String> {
        self.cloud.record().proxied.clone()
    }

    /// Every secret there is: secret keys, session tokens, web identity tokens, authorization tokens, what is in
    /// the secrets of Secrets Manager, and tokens that databases saw.
    pub fn secrets(&self) -> Vec<String> {
        self.cloud.record().secrets.iter().cloned().collect()
    }

    /// How many runs of a Glue job were really started, by whomever; 0 for a job that does not exist.
    pub fn started(&self, job: &str) -> usize {
        self.runs(job).len()
    }

    /// The runs of a Glue job, oldest first.
    pub fn runs(&self, job: &str) -> Vec<Run> {
        self.cloud.runs(job).unwrap_or_default()
    }

    /// Starts a run as if someone else did, and gives its id.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such job, [`Error::Refused`] where it cannot run now.
    pub fn start_run<K: Into<String>, V: Into<String>>(
        &self,
        job: &str,
        arguments: impl IntoIterator<Item = (K, V)>,
    ) -> Result<String, Error> {
        let arguments = arguments.into_iter().map(|(key, value)| (key.into(), value.into()));
        self.cloud.start_run(job, arguments.collect::<BTreeMap<_, _>>())
    }

    /// Stops a run as if someone else did.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such job, [`Error::Refused`] where there is no such run or it is over.
    pub fn stop_run(&self, job: &str, id: &str) -> Result<(), Error> {
        self.cloud.stop_run(job, id)
    }

    /// The course of every run of a job from now on.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such job or the course has no step.
    pub fn set_course(&self, job: &str, course: Course) -> Result<(), Error> {
        self.cloud.set_course(job, course)
    }

    /// The invocations of a Lambda function that were really begun, oldest first.
    pub fn invocations(&self, function: &str) -> Vec<Invocation> {
        self.cloud.invocations(function).unwrap_or_default()
    }

    /// How many invocations of a Lambda function were really begun; 0 for a function that does not exist.
    pub fn invoked(&self, function: &str) -> usize {
        self.cloud.lambda().named(function).map_or(0, |known| known.invocations.len())
    }

    /// The durable executions of a Lambda function, oldest first: ARN and status.
    pub fn executions(&self, function: &str) -> Vec<(String, String)> {
        self.cloud.executions(function).unwrap_or_default()
    }

    /// The course of every invocation of a Lambda function from now on.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such function.
    pub fn set_function_course(&self, function: &str, course: FunctionCourse) -> Result<(), Error> {
        self.cloud.set_function_course(function, course)
    }

    /// The requests that reached the model of a `SageMaker` endpoint, or the queue in front of it, oldest first.
    pub fn inferences(&self, endpoint: &str) -> Vec<Inference> {
        self.cloud.inferences(endpoint).unwrap_or_default()
    }

    /// How many requests reached a `SageMaker` endpoint; 0 for one that does not exist.
    pub fn inferred(&self, endpoint: &str) -> usize {
        self.cloud.sagemaker().named(endpoint).map_or(0, |known| known.inferences.len())
    }

    /// The course of every request to a `SageMaker` endpoint from now on.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such endpoint, or the course does not hold together.
    pub fn set_endpoint_course(&self, endpoint: &str, course: EndpointCourse) -> Result<(), Error> {
        self.cloud.set_endpoint_course(endpoint, course)
    }

    /// All `SageMaker` training jobs, oldest first.
    pub fn training_jobs(&self) -> Vec<TrainingJob> {
        self.cloud.training_jobs()
    }

    /// Stops a training job as if someone else did.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such job, [`Error::Refused`] where it is not in progress.
    pub fn stop_training_job(&self, name: &str) -> Result<(), Error> {
        self.cloud.stop_training_job(name)
    }

    /// The course of every training job from now on.
    ///
    /// # Errors
    /// [`Error::World`] where the course has no step.
    pub fn set_training_course(&self, course: TrainingCourse) -> Result<(), Error> {
        self.cloud.set_training_course(course)
    }

    /// The Redshift statements that were really begun, oldest first.
    pub fn statements(&self) -> Vec<Statement> {
        self.cloud.redshift().list()
    }

    /// Cancels a Redshift statement as if someone else did.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such statement or it is over.
    pub fn cancel_statement(&self, id: &str) -> Result<(), Error> {
        self.cloud.cancel_statement(id)
    }

    /// The logins with tokens that databases asked about, oldest first.
    pub fn logins(&self) -> Vec<Login> {
        self.cloud.record().logins.clone()
    }

    /// A token for RDS as a client makes it: a new session of the role signs it for a user and an endpoint
    /// (`HOST:PORT`).
    ///
    /// # Errors
    /// [`Error::World`] where there is no role of this ARN.
    pub fn rds_token(&self, role: &str, endpoint: &str, user: &str) -> Result<String, Error> {
        rds::token(&self.cloud, role, endpoint, user)
    }

    /// Gives a secret another value, as a rotation does: the former one becomes `AWSPREVIOUS`. Tells the id of the
    /// new version.
    ///
    /// # Errors
    /// [`Error::World`] where there is no secret of this name.
    pub fn rotate_secret(&self, name: &str, value: impl Into<String>) -> Result<String, Error> {
        self.cloud.rotate_secret(name, value.into())
    }

    /// The executions of a Step Functions state machine that were really started, oldest first.
    pub fn machine_executions(&self, machine: &str) -> Vec<MachineExecution> {
        self.cloud.machine_executions(machine).unwrap_or_default()
    }

    /// Starts an execution of a state machine as if someone else did, and returns its ARN.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such state machine.
    pub fn start_execution(
        &self,
        machine: &str,
        name: &str,
        input: impl Into<String>,
    ) -> Result<String, Error> {
        self.cloud.start_execution(machine, name, input.into())
    }

    /// Stops an execution of a state machine as if someone else did; one that has ended stays as it is.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such execution.
    pub fn stop_execution(&self, arn: &str) -> Result<(), Error> {
        self.cloud.stop_execution(arn)
    }

    /// The script of every execution of a state machine from now on.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such state machine or the script has no step.
    pub fn set_execution_script(&self, machine: &str, script: ExecutionScript) -> Result<(), Error> {
        self.cloud.set_execution_script(machine, script)
    }

    /// The DAG runs of an MWAA environment that were really created, oldest first.
    pub fn dag_runs(&self, environment: &str) -> Vec<DagRun> {
        self.cloud.dag_runs(environment).unwrap_or_default()
    }

    /// All work of a kind that was really started, by whomever: by resource, the oldest first.
    pub fn work(&self, kind: WorkKind) -> Vec<Work> {
        self.cloud.work(kind)
    }

    /// How often work of a kind was really started and stopped, and ends were replaced, by whomever.
    pub fn effects(&self, kind: WorkKind) -> Effects {
        Effects::of(&self.work(kind))
    }

    /// The data of an S3 object, if it is there.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.cloud.object(bucket, key).map(Vec::from)
    }

    /// The keys in an S3 bucket, in their order.
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        self.cloud.objects(bucket).unwrap_or_default()
    }

    /// Puts an S3 object as if someone else did.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such bucket.
    pub fn put_object(&self, bucket: &str, key: &str, data: impl Into<Vec<u8>>) -> Result<(), Error> {
        self.cloud.put_object(bucket, key, data.into().into())
    }

    /// Takes an S3 object away as if someone else did; one that is not there is no error.
    ///
    /// # Errors
    /// [`Error::World`] where there is no such bucket.
    pub fn delete_object(&self, bucket: &str, key: &str) -> Result<(), Error> {
        self.cloud.delete_object(bucket, key)
    }

    /// Sets a fault.
    ///
    /// # Errors
    /// [`Error::World`] where no operation has the name that it strikes.
    pub fn add_fault(&self, fault: Fault) -> Result<(), Error> {
        self.cloud.add_fault(fault)
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.cloud.faults().clear();
    }

    /// Moves the sandbox's clock on at once: runs go on, sessions grow old. From five minutes in all, clients
    /// that do not follow the `Date` of its answers find their signatures refused.
    pub fn advance(&self, time: Duration) {
        self.cloud.clock.advance(time);
    }

    /// Ends every role session now.
    pub fn expire_sessions(&self) {
        self.cloud.expire_sessions();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; a drop has no way to pass it on.
            let _ = thread.join();
        }
    }
}

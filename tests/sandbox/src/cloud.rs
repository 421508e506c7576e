//! Everything behind the wire, in one place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::Error;
use crate::clock::Clock;
use crate::eks::Eks;
use crate::fault::{Fault, Faults};
use crate::glue::{Course, Glue, Run, StartJobRun};
use crate::identity::{Directory, Issued, KnownRole, Wish};
use crate::lambda::{Execution, FunctionCourse, Invocation, Lambda};
use crate::logs::Logs;
use crate::mwaa::{DagRun, Mwaa};
use crate::oidc::Issuers;
use crate::record::{Call, Record};
use crate::redshift::Redshift;
use crate::refusal::Refusal;
use crate::s3::{Object, S3};
use crate::sagemaker::{EndpointCourse, Inference, SageMaker, TrainingCourse, TrainingJob};
use crate::secretsmanager::{SecretValue, Secrets};
use crate::sigv4::SigningKeys;
use crate::stepfunctions::{ExecutionScript, MachineExecution, StartWish, StepFunctions, Stop};
use crate::world::World;

/// The state of all services. Where two locks are held, they are taken in the order of the fields.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) world: World,
    pub(crate) clock: Arc<Clock>,
    pub(crate) issuers: Issuers,
    eks: Mutex<Eks>,
    directory: Mutex<Directory>,
    glue: Mutex<Glue>,
    lambda: Mutex<Lambda>,
    sagemaker: Mutex<SageMaker>,
    mwaa: Mutex<Mwaa>,
    stepfunctions: Mutex<StepFunctions>,
    redshift: Arc<Redshift>,
    secrets: Mutex<Secrets>,
    s3: Mutex<S3>,
    logs: Mutex<Logs>,
    faults: Mutex<Faults>,
    record: Mutex<Record>,
    /// Where each call is told as it happens.
    observer: Mutex<Option<Sender<Call>>>,
    signing_keys: Mutex<SigningKeys>,
    connections: AtomicU64,
}

impl Cloud {
    pub(crate) fn new(world: World, observer: Option<Sender<Call>>) -> Result<Self, Error> {
        let clock = Arc::new(Clock::new(world.clock_ahead_seconds));
        let now = clock.now();
        let mut record = Record::default();
        for user in world.accounts.values().flat_map(|account| account.users.values()) {
            record.secret(&user.secret_access_key);
        }
        for endpoint in &world.container_credentials {
            record.secret(endpoint.authorization.as_deref().unwrap_or_default());
        }
        let secrets = Secrets::new(&world, now);
        secrets.values().for_each(|value| value.record(&mut record));
        let mut faults = Faults::default();
        for fault in &world.faults {
            faults.add(fault.clone());
        }
        Ok(Self {
            issuers: Issuers::new(&world)?,
            eks: Mutex::new(Eks::new(&world, now)),
            directory: Mutex::new(Directory::new(&world)),
            glue: Mutex::new(Glue::new(&world.glue, &world.region, now)),
            lambda: Mutex::new(Lambda::new(&world.lambda, &world)),
            sagemaker: Mutex::new(SageMaker::new(&world.sagemaker, &world)),
            mwaa: Mutex::new(Mwaa::new(&world.mwaa, &world.region)),
            stepfunctions: Mutex::new(StepFunctions::new(&world, now)),
            redshift: Arc::new(Redshift::new(&world.redshift, clock.clone())),
            secrets: Mutex::new(secrets),
            s3: Mutex::new(S3::new(&world.s3, &world, now)),
            logs: Mutex::new(Logs::new(&world.logs, &world.region, now)),
            faults: Mutex::new(faults),
            record: Mutex::new(record),
            observer: Mutex::new(observer),
            signing_keys: Mutex::default(),
            connections: AtomicU64::new(0),
            clock,
            world,
        })
    }

    pub(crate) fn eks(&self) -> MutexGuard<'_, Eks> {
        lock(&self.eks)
    }

    pub(crate) fn directory(&self) -> MutexGuard<'_, Directory> {
        lock(&self.directory)
    }

    pub(crate) fn glue(&self) -> MutexGuard<'_, Glue> {
        lock(&self.glue)
    }

    pub(crate) fn lambda(&self) -> MutexGuard<'_, Lambda> {
        lock(&self.lambda)
    }

    pub(crate) fn sagemaker(&self) -> MutexGuard<'_, SageMaker> {
        lock(&self.sagemaker)
    }

    pub(crate) fn mwaa(&self) -> MutexGuard<'_, Mwaa> {
        lock(&self.mwaa)
    }

    pub(crate) fn stepfunctions(&self) -> MutexGuard<'_, StepFunctions> {
        lock(&self.stepfunctions)
    }

    /// The Data API, which has a lock of its own, taken last and alone.
    pub(crate) fn redshift(&self) -> &Arc<Redshift> {
        &self.redshift
    }

    pub(crate) fn secrets(&self) -> MutexGuard<'_, Secrets> {
        lock(&self.secrets)
    }

    /// S3 as it is now.
    pub(crate) fn s3(&self) -> MutexGuard<'_, S3> {
        let mut s3 = lock(&self.s3);
        s3.settle(self.clock.now());
        s3
    }

    pub(crate) fn logs(&self) -> MutexGuard<'_, Logs> {
        lock(&self.logs)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    pub(crate) fn signing_keys(&self) -> MutexGuard<'_, SigningKeys> {
        lock(&self.signing_keys)
    }

    /// Writes a call down.
    pub(crate) fn called(&self, call: Call) {
        if let Some(observer) = &*lock(&self.observer) {
            // Nobody listens any more: that is theirs to know.
            let _ = observer.send(call.clone());
        }
        self.record().calls.push(call);
    }

    /// The number of a new connection, from 1.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Hands out a session of a role.
    pub(crate) fn issue(&self, role: &KnownRole, wish: Wish) -> Issued {
        let issued = self.directory().issue(role, wish, self.clock.now());
        let mut record = self.record();
        record.secret(&issued.secret);
        record.secret(&issued.token);
        issued
    }

    /// A token as a cluster projects it.
    pub(crate) fn token(
        &self,
        issuer: &str,
        sub: &str,
        aud: &str,
        lifetime: Duration,
    ) -> Result<String, Error> {
        let token = self.issuers.token(issuer, sub, aud, lifetime, self.clock.now())?;
        self.record().secret(&token);
        Ok(token)
    }

    /// Sets a fault that can strike.
    pub(crate) fn add_fault(&self, fault: Fault) -> Result<(), Error> {
        fault.check()?;
        self.faults().add(fault);
        Ok(())
    }

    /// Ends every session.
    pub(crate) fn expire_sessions(&self) {
        self.directory().expire_sessions(self.clock.now());
    }

    /// The runs of a Glue job; `None` where there is no such job.
    pub(crate) fn runs(&self, job: &str) -> Option<Vec<Run>> {
        Some(self.glue().named(job)?.list(&self.clock))
    }

    /// Starts a run for nobody in particular.
    pub(crate) fn start_run(&self, job: &str, arguments: BTreeMap<String, String>) -> Result<String, Error> {
        let mut glue = self.glue();
        let known = glue.named(job).ok_or_else(|| no_job(job))?;
        let request =
            StartJobRun { job_name: Some(job.into()), arguments: Some(arguments), ..StartJobRun::default() };
        known
            .start(request, &mut self.logs(), self.clock.now())
            .map_err(|Refusal { code, message, .. }| Error::Refused { code, message })
    }

    /// Stops a run for nobody in particular.
    pub(crate) fn stop_run(&self, job: &str, id: &str) -> Result<(), Error> {
        let mut glue = self.glue();
        let known = glue.named(job).ok_or_else(|| no_job(job))?;
        known
            .stop(id, &mut self.logs(), self.clock.now())
            .map_err(|(code, message)| Error::Refused { code: code.into(), message })
    }

    /// The course of a job's runs from now on.
    pub(crate) fn set_course(&self, job: &str, course: Course) -> Result<(), Error> {
        if course.steps.is_empty() {
            return Err(Error::World("a course needs a step".into()));
        }
        self.glue().named(job).ok_or_else(|| no_job(job))?.set_course(course);
        Ok(())
    }

    /// The invocations of a Lambda function; `None` where there is no such function.
    pub(crate) fn invocations(&self, function: &str) -> Option<Vec<Invocation>> {
        Some(self.lambda().named(function)?.invocations.clone())
    }

    /// ARN and status of a function's durable executions; `None` where there is no such function.
    pub(crate) fn executions(&self, function: &str) -> Option<Vec<(String, String)>> {
        let now = self.clock.now();
        let told = |it: &Execution| (it.arn.clone(), it.status(now).to_owned());
        Some(self.lambda().named(function)?.executions.iter().map(told).collect())
    }

    /// The course of a function's invocations from now on.
    pub(crate) fn set_function_course(&self, function: &str, course: FunctionCourse) -> Result<(), Error> {
        let mut lambda = self.lambda();
        let known = lambda.named(function);
        let known = known.ok_or_else(|| Error::World(format!("no function `{function}`")))?;
        known.function.courses = vec![course];
        Ok(())
    }

    /// The requests that reached an endpoint; `None` where there is no such endpoint.
    pub(crate) fn inferences(&self, endpoint: &str) -> Option<Vec<Inference>> {
        Some(self.sagemaker().named(endpoint)?.inferences.clone())
    }

    /// The course of an endpoint's requests from now on.
    pub(crate) fn set_endpoint_course(&self, endpoint: &str, course: EndpointCourse) -> Result<(), Error> {
        let mut sagemaker = self.sagemaker();
        let known = sagemaker.named(endpoint);
        let known = known.ok_or_else(|| Error::World(format!("no endpoint `{endpoint}`")))?;
        known.endpoint.courses = vec![course];
        known.endpoint.check()
    }

    /// All training jobs, oldest first.
    pub(crate) fn training_jobs(&self) -> Vec<TrainingJob> {
        self.sagemaker().training.list(&self.clock)
    }

    /// Stops a training job for nobody in particular.
    pub(crate) fn stop_training_job(&self, name: &str) -> Result<(), Error> {
        let mut sagemaker = self.sagemaker();
        let job = sagemaker.training.named(name);
        let arn = job.ok_or_else(|| Error::World(format!("no training job `{name}`")))?.arn.clone();
        sagemaker.training.stop(&arn, &mut self.logs(), self.clock.now()).map_err(|status| Error::Refused {
            code: "ValidationException".into(),
            message: format!("it is {status}"),
        })
    }

    /// The course of training jobs from now on.
    pub(crate) fn set_training_course(&self, course: TrainingCourse) -> Result<(), Error> {
        if course.steps.is_empty() {
            return Err(Error::World("a training course needs a step".into()));
        }
        self.sagemaker().training.courses = vec![course];
        Ok(())
    }

    /// The DAG runs of an environment; `None` where there is no such environment.
    pub(crate) fn dag_runs(&self, environment: &str) -> Option<Vec<DagRun>> {
        Some(self.mwaa().named(environment)?.list(&self.clock))
    }

    /// The executions of a state machine; `None` where there is no such state machine.
    pub(crate) fn machine_executions(&self, machine: &str) -> Option<Vec<MachineExecution>> {
        Some(self.stepfunctions().named(machine)?.list(&self.clock))
    }

    /// Starts an execution without a request, and returns its ARN.
    pub(crate) fn start_execution(&self, machine: &str, name: &str, input: String) -> Result<String, Error> {
        let mut state = self.stepfunctions();
        let known = state.named(machine).ok_or_else(|| no_machine(machine))?;
        let wish = StartWish { name: Some(name.into()), input, trace_header: None, qualifier: None };
        Ok(known.start(wish, self.clock.now()).arn.clone())
    }

    /// Stops an execution without a request.
    pub(crate) fn stop_execution(&self, arn: &str) -> Result<(), Error> {
        let mut state = self.stepfunctions();
        let mut all = state.machines.iter_mut().flat_map(|known| &mut known.executions);
        let execution = all.find(|execution| execution.arn == arn);
        let execution = execution.ok_or_else(|| Error::World(format!("no execution `{arn}`")))?;
        execution.stop(Stop { at: self.clock.now(), error: None, cause: None });
        Ok(())
    }

    /// The script of a state machine's executions from now on.
    pub(crate) fn set_execution_script(&self, machine: &str, script: ExecutionScript) -> Result<(), Error> {
        if script.steps.is_empty() {
            return Err(Error::World("a script needs a step".into()));
        }
        let mut state = self.stepfunctions();
        state.named(machine).ok_or_else(|| no_machine(machine))?.machine.scripts = vec![script];
        Ok(())
    }

    /// Cancels a statement for nobody in particular.
    pub(crate) fn cancel_statement(&self, id: &str) -> Result<(), Error> {
        let code = "ValidationException".into();
        self.redshift.cancel(id).map_err(|message| Error::Refused { code, message })
    }

    /// Gives a secret another value, as a rotation does, and tells the id of its version.
    pub(crate) fn rotate_secret(&self, name: &str, value: String) -> Result<String, Error> {
        let value = SecretValue::Text(value);
        value.record(&mut self.record());
        let id = self.secrets().rotate(name, value, self.clock.now());
        id.ok_or_else(|| Error::World(format!("no secret `{name}`")))
    }

    /// Puts an object for nobody in particular.
    pub(crate) fn put_object(&self, bucket: &str, key: &str, data: Bytes) -> Result<(), Error> {
        let object = Object::new(data, "binary/octet-stream", self.clock.now());
        let mut s3 = self.s3();
        s3.bucket_mut(bucket).ok_or_else(|| no_bucket(bucket))?.objects.insert(key.into(), object);
        Ok(())
    }

    /// Takes an object away for nobody in particular; one that is not there is no error.
    pub(crate) fn delete_object(&self, bucket: &str, key: &str) -> Result<(), Error> {
        self.s3().bucket_mut(bucket).ok_or_else(|| no_bucket(bucket))?.objects.remove(key);
        Ok(())
    }

    /// The data of an object.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.s3().object(bucket, key).map(|object| object.data.clone())
    }

    /// The keys of a bucket, in their order; `None` where there is no such bucket.
    pub(crate) fn objects(&self, bucket: &str) -> Option<Vec<String>> {
        Some(self.s3().bucket(bucket)?.objects.keys().cloned().collect())
    }
}

fn no_bucket(bucket: &str) -> Error {
    Error::World(format!("no bucket `{bucket}`"))
}

fn no_machine(machine: &str) -> Error {
    Error::World(format!("no state machine `{machine}`"))
}

fn no_job(job: &str) -> Error {
    Error::World(format!("no job `{job}`"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

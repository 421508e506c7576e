//! The two ways to a DAG: Airflow's REST API by `InvokeRestApi`, which reaches private web servers too, and Airflow's
//! command line on the web server. Whoever may not use the first – it needs a right of its own – takes the second, for
//! the start and for every look after it.

use std::cell::{Cell, RefCell};

use job_runtime::{CallError, Context, Exit};
use serde::Serialize;
use serde_json::Value;

use super::run::{Run, Task};
use super::{by_cli, by_rest};
use crate::environment::{Environment, Generation};
use crate::error::{PRIVATE, is_unreached};
use crate::mwaa::{INVOKE, Mwaa};
use crate::web_server::POST;

/// A way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    /// `InvokeRestApi`.
    Rest,
    /// Airflow's command line.
    Cli,
}

/// What a start came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Started {
    /// There is a run now.
    New,
    /// There was one already: of this id, or of this logical date. What Airflow says.
    Exists(String),
}

/// What goes into a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) dag_id: String,
    /// An object.
    pub(crate) conf: Option<Value>,
    pub(crate) logical_date: Option<String>,
}

/// The ways to one environment, and which of them is taken.
pub(crate) struct Ways<'a> {
    pub(crate) mwaa: Mwaa<'a>,
    pub(crate) ctx: &'a Context,
    pub(crate) generation: Generation,
    /// The web server can be reached from within its VPC alone.
    private: bool,
    /// The way that the user wants.
    pinned: Option<Channel>,
    taken: Cell<Channel>,
    /// Why the first way was left.
    left: RefCell<Option<String>>,
}

impl<'a> Ways<'a> {
    pub(crate) fn new(
        mwaa: Mwaa<'a>,
        environment: &Environment,
        pinned: Option<Channel>,
        ctx: &'a Context,
    ) -> Self {
        let taken = Cell::new(pinned.unwrap_or(Channel::Rest));
        let (generation, private) = (environment.generation(), environment.is_private());
        Self { mwaa, ctx, generation, private, pinned, taken, left: RefCell::default() }
    }

    /// The way that is taken now.
    pub(crate) fn taken(&self) -> Channel {
        self.taken.get()
    }

    /// Why the REST API was left.
    pub(crate) fn left(&self) -> Option<String> {
        self.left.borrow().clone()
    }

    /// What there is to know besides an error.
    pub(crate) fn note(&self, error: &CallError) -> Option<String> {
        let private = (self.private && is_unreached(error)).then(|| PRIVATE.to_owned());
        let left = self.left().map(|left| format!("this way was taken because {left}"));
        let notes: Vec<String> = private.into_iter().chain(left).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }

    /// Starts a run of this id.
    pub(crate) async fn start(&self, wanted: &Wanted, id: &str) -> Result<Started, CallError> {
        if self.by_rest(&by_rest::runs_path(&wanted.dag_id)) {
            match by_rest::start(self, wanted, id).await {
                Err(error) if self.leaves(&error) => {}
                started => return started,
            }
        }
        by_cli::start(self, wanted, id).await
    }

    /// Reads a run, if it is there.
    pub(crate) async fn look(&self, dag_id: &str, id: &str) -> Result<Option<Run>, CallError> {
        if self.taken() == Channel::Rest {
            match by_rest::look(self, dag_id, id).await {
                Err(error) if self.leaves(&error) => {}
                looked => return looked,
            }
        }
        by_cli::look(self, dag_id, id).await
    }

    /// The newest runs of a DAG whose id begins with `prefix`, newest first where Airflow says which are.
    pub(crate) async fn runs(&self, dag_id: &str, prefix: &str) -> Result<Vec<Run>, CallError> {
        if self.taken() == Channel::Rest {
            match by_rest::runs(self, dag_id, |id| id.starts_with(prefix)).await {
                Err(error) if self.leaves(&error) => {}
                runs => return runs,
            }
        }
        by_cli::runs(self, dag_id, |id| id.starts_with(prefix)).await
    }

    /// Whether a DAG is paused; `None` where that is not told.
    pub(crate) async fn is_paused(&self, dag_id: &str) -> Result<Option<bool>, CallError> {
        if self.taken() == Channel::Rest {
            match by_rest::is_paused(self, dag_id).await {
                Err(error) if self.leaves(&error) => {}
                told => return told,
            }
        }
        by_cli::is_paused(self, dag_id).await
    }

    /// The tasks of a run that have failed.
    pub(crate) async fn failed_tasks(&self, dag_id: &str, id: &str) -> Result<Vec<Task>, CallError> {
        match self.taken() {
            Channel::Rest => by_rest::failed_tasks(self, dag_id, id).await,
            Channel::Cli => by_cli::failed_tasks(self, dag_id, id).await,
        }
    }

    /// Sets a run to failed, which ends its tasks: Airflow has no other way to stop one.
    ///
    pub(crate) async fn fail(&self, dag_id: &str, id: &str) -> Result<(), CallError> {
        match self.taken() {
            Channel::Rest => by_rest::fail(self, dag_id, id).await,
            Channel::Cli => Err(CallError::answered(POST, 400, "Airflow's command line cannot stop a run")),
        }
    }

    /// Whether a request with this path goes by the REST API. One that is too long for it takes the other way for
    /// good, unless the user wants it otherwise: then the service has the last word.
    fn by_rest(&self, path: &str) -> bool {
        if self.taken() == Channel::Rest && self.pinned.is_none() && !by_rest::fits(path) {
            self.leave("the DAG's id is too long for the paths of InvokeRestApi".to_owned());
        }
        self.taken() == Channel::Rest
    }

    /// Whether this refusal is a reason to take the other way, which is then taken for good.
    fn leaves(&self, error: &CallError) -> bool {
        let refused = error.operation() == INVOKE && error.code() == Some("AccessDeniedException");
        let outdated = error.exit() == Exit::Rejected && error.message().contains("to use InvokeRestApi");
        let leaves = self.pinned.is_none() && (refused || outdated);
        if leaves {
            self.leave(error.to_string());
        }
        leaves
    }

    fn leave(&self, why: String) {
        tracing::warn!("Airflow's command line takes the place of its REST API: {why}");
        self.taken.set(Channel::Cli);
        *self.left.borrow_mut() = Some(why);
    }
}

//! Where both sides run: a world, a pod with the documented config file, the programs of the documents.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::{Database, Outcome, Postgres, Running, Signal, Site};

use crate::circumstance::Circumstance;
use crate::systems::{Side, System};

/// What a container is given to end by itself; Kubernetes gives 30 s.
const GRACE: Duration = Duration::from_secs(10);
/// Until the answer to a start is there.
const AT_WORK: Duration = Duration::from_secs(2);
/// By which the sandbox's clock is moved on, so that nobody has to wait for the remote work.
pub(crate) const MINUTES: Duration = Duration::from_mins(4);
/// No work is longer in coming.
const PATIENCE: Duration = Duration::from_mins(1);

/// A pod, and what else its world is made of.
pub(crate) struct Place {
    pub(crate) site: Site,
    pub(crate) database: Option<Database>,
    /// What the sandbox runs SQL on.
    _postgres: Option<Postgres>,
}

/// What has become of the remote work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// How often it was really begun.
    pub(crate) started: usize,
    /// How many of these go on.
    pub(crate) running: usize,
}

/// What was seen of one side.
pub(crate) struct Seen {
    /// How the container ended, each time.
    pub(crate) exits: Vec<i32>,
    /// The last of its ends.
    pub(crate) outcome: Outcome,
    /// When it had ended.
    pub(crate) work: Work,
    /// The folder of the pod, another one each time.
    pub(crate) folder: String,
}

/// Runs one side of a system.
pub(crate) fn observe(system: &System, circumstance: Circumstance, side: Side) -> Seen {
    let place = Place::new(system, circumstance);
    if let Some(fault) = circumstance.fault(system.call) {
        let fault = if side == Side::New { fault.from(system.begins) } else { fault };
        place.site.sandbox.add_fault(fault).expect("the sandbox plays what is spoilt");
    }
    let mut exits = Vec::new();
    let killed = circumstance.kills().then_some(circumstance);
    let mut outcome = run(system, &place, side, killed, &mut exits);
    if circumstance.kills() && exits != [0] {
        place.let_go();
        outcome = run(system, &place, side, None, &mut exits);
    }
    let folder = place.site.path("").display().to_string();
    Seen { exits, outcome, work: (system.work)(&place), folder }
}

/// A container from its start to its end.
fn run(
    system: &System,
    place: &Place,
    side: Side,
    killed: Option<Circumstance>,
    exits: &mut Vec<i32>,
) -> Outcome {
    // Whatever the AWS CLI has kept below HOME is gone with the container.
    let home = place.site.path("home");
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir(&home).expect("a folder in the temporary folder");
    let folder = place.site.path("");
    let line = system.line(side).replace("/tmp/", folder.to_str().expect("a path in UTF-8"));
    let line = if side == Side::New && !line.contains("&&") { format!("exec {line}") } else { line };
    let before = (system.work)(place).started;
    let running = place.site.start_line_as_process_1(&line);
    let has_begun = || {
        let work = (system.work)(place);
        work.started > before || work.running > 0
    };
    let calls = || place.site.sandbox.count(system.call.0, system.call.1);
    let calls_before = calls();
    let mut obeyed = true;
    if let Some(circumstance) = killed {
        wait(&running, PATIENCE, || has_begun() || (before > 0 && calls() > calls_before));
        assert!(has_begun() || !running.is_running(), "no work was begun: {:#?}", place.site.sandbox.calls());
        if circumstance == Circumstance::KilledAtWork {
            wait(&running, AT_WORK, || false);
        }
        send(&running, Signal::TERM);
        wait(&running, GRACE, || false);
        obeyed = !running.is_running();
        send(&running, Signal::KILL);
    } else if side == Side::New && system.waits {
        // The documented lines wait for no end. Ours takes over what an earlier container has begun by a call, too.
        wait(&running, PATIENCE, || has_begun() || (before > 0 && calls() > calls_before));
        wait(&running, AT_WORK / 4, || false);
        if running.is_running() {
            place.site.sandbox.advance(MINUTES);
        }
    }
    let mut running = running.with_patience(PATIENCE * 3);
    if side == Side::Old {
        // Not ours to say what it may show.
        running = running.with_secret_result();
    }
    let outcome = running.finish();
    // unshare says 1 of a child that was killed.
    exits.push(if obeyed { outcome.code } else { 128 + Signal::KILL.as_raw() });
    outcome
}

/// Waits for something, and for no longer than the container is there.
fn wait(running: &Running<'_>, patience: Duration, until: impl Fn() -> bool) {
    let end = Instant::now() + patience;
    while running.is_running() && Instant::now() < end && !until() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn send(running: &Running<'_>, signal: Signal) {
    if running.is_running() {
        running.signal_child(signal);
    }
}

impl Place {
    fn new(system: &System, circumstance: Circumstance) -> Self {
        let postgres = system.sql.then(Postgres::start);
        let sql = postgres.as_ref().map(Postgres::world).unwrap_or_default();
        let mut world = (system.world)(circumstance.course(), &sql);
        if circumstance == Circumstance::Refused {
            world = without(&world, &format!("\"{} on ", system.permission));
        }
        if circumstance == Circumstance::NotTrusted {
            world = world.replace("role/cats-glue\" }]", "role/other\" }]");
        }
        let site = Site::pod(conformance::binary(system.binary), &world);
        let bin = site.path("bin");
        std::fs::create_dir(&bin).expect("a folder in the temporary folder");
        let aws = bin.join("aws");
        std::fs::write(&aws, conformance::aws_program()).expect("a file in the temporary folder");
        std::fs::set_permissions(&aws, std::fs::Permissions::from_mode(0o755)).expect("our own file");
        let binary = conformance::binary(system.binary);
        let system_path = std::env::var("PATH").expect("a PATH");
        let own = binary.parent().map(Path::display).expect("a binary is in a folder");
        let path = format!("{}:{own}:{system_path}", bin.display());
        let home = site.path("home").display().to_string();
        let site = site
            .env("PATH", path)
            .env("HOME", home)
            .env("IDEMPOTENCY_KEY", "5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11")
            .env("JOB_POLL_INTERVAL", "100ms")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        // Throttles are waited out for as long as there is time; for credentials, half a minute.
        let site =
            if circumstance == Circumstance::Throttled { site.env("JOB_TIMEOUT", "40s") } else { site };
        let place = Self { site, database: None, _postgres: postgres };
        (system.furnish)(place, circumstance)
    }

    /// Takes away what held the work up.
    fn let_go(&self) {
        if let Some(database) = &self.database {
            database.psql(&["-d", Database::NAME, "-c", "rollback prepared 'holds'"]);
        }
    }

    /// What the database says to its superuser, as a number.
    pub(crate) fn count(&self, sql: &str) -> usize {
        let database = self.database.as_ref().expect("this place has a database");
        let text = database.psql(&["-At", "-d", Database::NAME, "-c", sql]);
        text.trim().parse().expect("a number")
    }
}

/// A world without the lines that begin with this, of which there are some.
pub(crate) fn without(world: &str, start: &str) -> String {
    let lines = |kept: bool| {
        world
            .lines()
            .filter(move |line| kept != line.trim_start().starts_with(start))
            .map(|line| format!("{line}\n"))
    };
    assert!(lines(false).next().is_some(), "nothing in this world begins with {start}");
    lines(true).collect()
}

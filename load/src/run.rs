//! Lives here: a run: ask how things stand, let the bots arrive, measure, let them leave, ask
//! again, judge.
//! Not here: how bots arrive (`arrive`), what they do (`meadow`, `ledger`), and the words of the
//! verdict (`verdict`, `report`).
//!
//! Invariant: everything happens on the calling thread.

mod arrive;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use brightstar_client::{ClientError, Connection, Hello, Outcome, Retry, Update, Welcome, World};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::args::Common;
use crate::bot::{Bot, DRAIN, Phase, Run};
use crate::page;
use crate::report::{Measured, Report};
use crate::stats::{Rule, Stats};
use crate::status::{Asker, Status};
use crate::storm::Storm;
use crate::timeline::{self, Timeline};
use crate::verdict::Check;
pub(crate) use arrive::login;
use arrive::{Bots, arrive, count_end};

/// How often the progress bar moves.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// How often it is measured whether the harness itself is on time.
const LAG_EVERY: Duration = Duration::from_millis(10);
/// How long the questions before and after the run may take.
const ASK_LIMIT: Duration = Duration::from_secs(30);
/// How often a question is asked for which the server has no time.
const ASK_TRIES: u32 = 8;
/// The pause before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// The exit code when the load could not be run at all.
const NOT_RUN: u8 = 2;

/// What is asked of a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) url: String,
    pub(crate) bots: u32,
    pub(crate) common: Common,
}

/// A bot's beginning.
#[derive(Debug)]
pub(crate) struct Birth {
    /// Bots are numbered from 0.
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) welcome: Welcome,
    pub(crate) seed: u64,
    pub(crate) stats: Rc<RefCell<Stats>>,
}

/// When a bot comes and goes, and under which name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stay {
    /// Its name; none: one by its number.
    pub(crate) name: Option<String>,
    /// So long after measuring began; none: before.
    pub(crate) comes: Option<Duration>,
    /// So long after measuring began; none: at the run's end.
    pub(crate) goes: Option<Duration>,
}

/// What bots do, and what must hold before and after.
pub(crate) trait Pattern: fmt::Debug + 'static {
    /// Who does it.
    type Bot: Bot + 'static;
    /// The world's name.
    const WORLD: &'static str;
    /// The rules that its bots can see broken, each with what it is that holds.
    const RULES: &'static [(Rule, &'static str)];
    /// How latency is counted, for the report.
    const LATENCY: &'static str;

    /// The pattern's name.
    fn name(&self) -> String;

    /// What must be done before bots can come.
    async fn prepare(&self, _: &Plan) -> anyhow::Result<()> {
        Ok(())
    }

    /// Looks at the world before the run.
    fn before(
        &self,
        control: &mut Connection<WorldOf<Self>>,
    ) -> impl Future<Output = anyhow::Result<()>>;

    /// Looks at what the server says of itself, once a second.
    fn look(&self, _: &Status) {}

    /// When this bot comes and goes.
    fn stay(&self, _: u32) -> Stay {
        Stay::default()
    }

    /// Makes a bot.
    fn bot(&self, birth: Birth) -> Self::Bot;

    /// Looks at the world after the run: what must have held.
    fn after(
        &self,
        control: &mut Connection<WorldOf<Self>>,
        stats: &RefCell<Stats>,
    ) -> impl Future<Output = anyhow::Result<Vec<Check>>>;
}

pub(crate) type WorldOf<P> = <<P as Pattern>::Bot as Bot>::World;

/// Runs a load, prints the report and gives the exit code: 0 when nothing was wrong, 1 when
/// something was, 2 when the load could not be run.
pub(crate) fn run<P: Pattern>(plan: &Plan, pattern: P) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("the runtime can't be started: {error}")),
    };
    let report = LocalSet::new().block_on(&runtime, execute(plan, Rc::new(pattern)));
    let told = report.and_then(|report| {
        tell(&report, plan)?;
        Ok(report.passed())
    });
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => refuse(&format!("{error:#}")),
    }
}

/// Says why a load can't be run.
pub(crate) fn refuse(words: &str) -> ExitCode {
    // Without a standard error there is nobody left to tell.
    drop(writeln!(std::io::stderr(), "load: {words}"));
    ExitCode::from(NOT_RUN)
}

fn tell(report: &Report, plan: &Plan) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(report.text()?.as_bytes())
        .context("standard output")?;
    if plan.common.report.is_none() && plan.common.html.is_none() {
        return Ok(());
    }
    let json = serde_json::to_string_pretty(report).context("the report as JSON")?;
    if let Some(path) = &plan.common.report {
        let json = format!("{json}\n");
        std::fs::write(path, json).with_context(|| format!("{}", path.display()))?;
    }
    if let Some(path) = &plan.common.html {
        let other = plan.common.compare.as_deref().map(page::read).transpose()?;
        let html = page::write(&json, other.as_deref())?;
        std::fs::write(path, html).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

async fn execute<P: Pattern>(plan: &Plan, pattern: Rc<P>) -> anyhow::Result<Report> {
    let storm = Storm::of(plan)?;
    let mut control = visit::<P>(plan).await?;
    timeout(ASK_LIMIT, pattern.before(&mut control))
        .await
        .context("before the run")??;
    control.bye().await.context("before the run")?;
    pattern.prepare(plan).await.context("before the run")?;

    let stats = Rc::new(RefCell::new(Stats::new()));
    let timeline = Rc::new(RefCell::new(Timeline::default()));
    let (phase, now) = watch::channel(Phase::Gather);
    // Nothing is ever sent: it closes when the last bot has been answered.
    let (playing, mut all_answered) = mpsc::channel(1);
    let run = Run {
        plan: Rc::new(plan.clone()),
        stats: Rc::clone(&stats),
        phase: now,
        playing: Some(playing),
        began: Rc::default(),
    };
    let began = Rc::clone(&run.began);
    let mut watchers = vec![
        tokio::task::spawn_local(watch_lag(Rc::clone(&stats))),
        watch_server(plan, &pattern, &timeline, &stats),
    ];
    watchers.extend(storm.map(|storm| {
        let run = Run {
            playing: None,
            ..run.clone()
        };
        tokio::task::spawn_local(storm.rage(run))
    }));
    let mut bots = arrive(&pattern, &run).await;
    drop(run);
    began.set(Some(Instant::now()));
    phase.send_replace(Phase::Play);
    timeline
        .borrow_mut()
        .begin(Instant::now(), unix_ms(), &mut stats.borrow_mut());
    let measured = measure(plan, &stats, &mut bots).await;
    timeline.borrow_mut().end();
    phase.send_replace(Phase::Drain);
    // Bots give up waiting by themselves; those who do not have failed, and are waited for below.
    drop(timeout(DRAIN * 2, all_answered.recv()).await);
    phase.send_replace(Phase::Leave);
    while let Some(ended) = bots.join_next().await {
        count_end(ended, &stats);
    }
    watchers.iter().for_each(JoinHandle::abort);

    // A server that is gone by now is a finding, not a reason to say nothing.
    let checks = look_after(plan, &*pattern, &stats)
        .await
        .unwrap_or_else(|error| {
            let name = "the world can be asked after the run".to_owned();
            vec![Check {
                name,
                passed: false,
                detail: format!("{error:#}"),
            }]
        });
    let (stats, timeline) = (stats.borrow(), timeline.borrow());
    Ok(Report::new(
        plan,
        &*pattern,
        &stats,
        (measured, &timeline),
        checks,
    ))
}

fn watch_server<P: Pattern>(
    plan: &Plan,
    pattern: &Rc<P>,
    timeline: &Rc<RefCell<Timeline>>,
    stats: &Rc<RefCell<Stats>>,
) -> JoinHandle<()> {
    let pattern = Rc::clone(pattern);
    let look = move |status: &Status| pattern.look(status);
    let (timeline, stats) = (Rc::clone(timeline), Rc::clone(stats));
    tokio::task::spawn_local(timeline::watch(
        Asker::new(&plan.url),
        timeline,
        stats,
        look,
    ))
}

/// Now, in milliseconds since the Unix epoch: the server dates its changes by it.
pub(crate) fn unix_ms() -> f64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the server tells unix times, too"
    )]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1000.0
}

async fn look_after<P: Pattern>(
    plan: &Plan,
    pattern: &P,
    stats: &RefCell<Stats>,
) -> anyhow::Result<Vec<Check>> {
    let mut control = visit::<P>(plan).await?;
    let checks = timeout(ASK_LIMIT, pattern.after(&mut control, stats))
        .await
        .context("no answer")??;
    control.bye().await?;
    Ok(checks)
}

async fn visit<P: Pattern>(plan: &Plan) -> anyhow::Result<Connection<WorldOf<P>>> {
    let hello = Hello::guest(format!("{}-control", plan.common.names));
    Connection::connect(&plan.url, plan.common.codec, hello)
        .await
        .with_context(|| plan.url.clone())
}

/// Asks one question on a connection that has no other commands under way.
pub(crate) async fn ask<W: World>(
    control: &mut Connection<W>,
    command: &W::Command,
) -> Result<Outcome<W::Reply>, ClientError> {
    let asked = control.command(command).await?;
    loop {
        if let Update::Reply { seq, outcome } = control.next().await?
            && seq == asked
        {
            return Ok(outcome);
        }
    }
}

/// As [`ask`], where any answer but a reply is a failure of the run. What the server has no time
/// for is asked again: a question about the whole world may have to load it first.
pub(crate) async fn must_ask<W: World>(
    control: &mut Connection<W>,
    command: &W::Command,
) -> anyhow::Result<W::Reply> {
    let mut tries = 1;
    loop {
        match ask(control, command).await? {
            Ok(reply) => return Ok(reply),
            Err(error) if error.code.retry() == Retry::Later && tries < ASK_TRIES => tries += 1,
            Err(error) => bail!("{}: {}, tried {tries} times", error.code, error.message),
        }
        sleep_until(Instant::now() + ASK_AGAIN).await;
    }
}

/// Lets the bots play for the time that counts; ends early when none is left, or on Ctrl-C.
async fn measure(plan: &Plan, stats: &RefCell<Stats>, bots: &mut Bots) -> Measured {
    let duration = plan.common.duration;
    let bar = bar(duration.as_millis() as u64, "{msg:>9} [{bar:40}] {elapsed}");
    let (start, cpu) = (Instant::now(), cpu_time());
    stats.borrow_mut().measuring = true;
    let mut progress = interval(PROGRESS_EVERY);
    let interrupted = tokio::signal::ctrl_c();
    let end = sleep_until(start + duration);
    tokio::pin!(interrupted, end);
    let mut last = (start, 0);
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = &mut interrupted => break,
            ended = bots.join_next() => match ended {
                Some(ended) => count_end(ended, stats),
                None => break,
            },
            _ = progress.tick() => {
                bar.set_position(start.elapsed().as_millis() as u64);
                last = show(&bar, &stats.borrow(), last, bots.len());
            }
        }
    }
    stats.borrow_mut().measuring = false;
    let measured = Measured {
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu
            .zip(cpu_time())
            .map(|(before, after)| after.saturating_sub(before).as_secs_f64()),
    };
    bar.finish_and_clear();
    measured
}

/// Shows the rates since the last look.
fn show(bar: &ProgressBar, stats: &Stats, last: (Instant, u64), bots: usize) -> (Instant, u64) {
    let (now, commands) = (Instant::now(), stats.commands());
    let done = commands.ok + commands.refused;
    let rate = (done - last.1) as f64 / (now - last.0).as_secs_f64().max(1e-3);
    let errors = stats.error_count() + stats.broken_count();
    bar.set_message(format!(
        "{bots} bots, {rate:.0} commands/s, {errors} errors"
    ));
    (now, done)
}

pub(crate) fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Measures how late this very thread is: when it is, the other times are its own.
async fn watch_lag(stats: Rc<RefCell<Stats>>) {
    let mut beat = interval(LAG_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let due = beat.tick().await;
        let mut stats = stats.borrow_mut();
        if stats.measuring {
            stats.harness_lag.record(due.elapsed());
        }
    }
}

/// Processor time of this thread, where the system tells.
fn cpu_time() -> Option<Duration> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(
        line.split_whitespace().next()?.parse().ok()?,
    ))
}

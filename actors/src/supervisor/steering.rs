//! Lives here: what is made of the loads: decisions and orders become wishes to regions, are
//! followed until they are answered, and are told of in log, metrics and status.
//! Not here: the policy (`balance`), doing it (`region::change`).
//!
//! Invariant: every change that was begun is answered to the balancer exactly once, and to whoever
//! ordered it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tokio::sync::oneshot;
use tokio::time::Instant;
use world_data::{Home, RegionId, World};

use crate::balance::{Balancer, Cause, Change, Cut, Decision, Policy, RegionLoad, Snapshot};
use crate::border::Traffic;
use crate::changes::{ChangeState, ChangeStatus, Order, OrderError, SupervisorMode};
use crate::host::Host;
use crate::region::{RegionHandle, Todo};

/// A change that takes longer is given up: its region is made anew, if it has no actor.
const STUCK: Duration = Duration::from_secs(5);
/// Orders that may be under way at once.
const ORDERS_LIMIT: usize = 64;

type Waits = oneshot::Sender<Result<ChangeStatus, OrderError>>;

pub(super) struct Steering<W: World> {
    host: Arc<Host<W>>,
    balancer: Balancer,
    begun: Instant,
    running: Vec<Running>,
}

/// A change under way.
struct Running {
    number: u64,
    change: Change,
    since: Instant,
    waits: Option<Waits>,
}

/// A change as it begins.
struct Begun {
    number: u64,
    change: Change,
    cause: Cause,
    gain: Option<f64>,
    reason: String,
    state: ChangeState,
}

impl<W: World> Steering<W> {
    pub(super) fn new(host: Arc<Host<W>>) -> Self {
        let settings = &host.settings;
        let policy = Policy {
            hot: settings.hot_load,
            cool: settings.cool_load,
            split_over: settings.split_load,
            merge_under: settings.merge_load,
            border_over: settings.border_load,
            ..Policy::default()
        };
        Self {
            host,
            balancer: Balancer::new(policy),
            begun: Instant::now(),
            running: Vec::new(),
        }
    }

    /// Looks at the loads, once per second; `fresh` gives a region's load of the last second. Gives
    /// the workers that a change may relieve, now or soon; of those behind the end none.
    pub(super) fn step(&mut self, fresh: impl Fn(RegionId) -> f64) -> Vec<bool> {
        gauge!("brightstar_changes_running").set(self.running.len() as f64);
        if self.host.settings.supervisor == SupervisorMode::Off || self.host.phase.draining() {
            return Vec::new();
        }
        let snapshot = self.snapshot(fresh);
        let step = self.balancer.step(&snapshot);
        for verdict in step.verdicts {
            let state = if verdict.kept {
                ChangeState::Kept
            } else {
                ChangeState::Undone
            };
            tracing::info!(change = verdict.number, ?state, "{}", verdict.reason);
            self.host
                .changes
                .edit(verdict.number, |change| change.state = state);
        }
        for decision in step.decisions {
            self.decided(decision);
        }
        if self.host.settings.supervisor == SupervisorMode::On {
            step.relief
        } else {
            Vec::new()
        }
    }

    fn snapshot(&self, fresh: impl Fn(RegionId) -> f64) -> Snapshot {
        let placement = self.host.directory.placement();
        let mut lateness = vec![Duration::ZERO; self.host.workers().len()];
        let load = |(region, interval): (&Arc<RegionHandle<W>>, _)| {
            let figures = &region.figures;
            RegionLoad {
                id: region.id,
                interval,
                worker: region.worker(),
                load: figures.load_undilated(region.dilation(&self.host.settings.ladder)),
                fresh: fresh(region.id),
                pinned: region.pinned.load(Ordering::Relaxed),
                cut: Cut::best(interval, &figures.weights.lock()),
                border: {
                    let border = figures.border.lock();
                    let rate = |(id, traffic): &(RegionId, Traffic)| (*id, traffic.rate());
                    border.iter().map(rate).collect()
                },
            }
        };
        let regions: Vec<_> = placement.list().map(load).collect();
        for region in &placement.regions {
            if let Some(worst) = lateness.get_mut(region.worker()) {
                *worst = region.figures.lateness().max(*worst);
            }
        }
        Snapshot {
            at: self.begun.elapsed(),
            lateness,
            map_end: Home(self.host.map.cells()),
            regions,
        }
    }

    /// A decision of the balancer's: made, or only told of.
    fn decided(&mut self, decision: Decision) {
        let (number, change, cause) = (decision.number, decision.change, decision.cause);
        let observes = self.host.settings.supervisor == SupervisorMode::Observe;
        let state = if observes {
            ChangeState::Observed
        } else {
            ChangeState::Running
        };
        let Decision { from, to, gain, .. } = decision;
        tracing::info!(
            change = number,
            ?change,
            ?cause,
            ?state,
            from,
            to,
            gain,
            "{}",
            decision.reason
        );
        self.note(Begun {
            number,
            change,
            cause,
            gain: Some(gain),
            reason: decision.reason,
            state,
        });
        if observes {
            count(change, cause.name(), "observed");
            self.balancer.not_made(number, self.begun.elapsed());
        } else {
            self.begin(number, change, None);
        }
    }

    /// An operator's order.
    pub(super) fn order(&mut self, order: Order, waits: Waits) {
        match self.change_of(order) {
            Ok(change) => {
                let number = self.balancer.by_hand(change);
                tracing::info!(change = number, ?change, "ordered");
                let reason = "an operator asked for it".to_owned();
                self.note(Begun {
                    number,
                    change,
                    cause: Cause::Manual,
                    gain: None,
                    reason,
                    state: ChangeState::Running,
                });
                self.begin(number, change, Some(waits));
            }
            Err(error) => {
                if waits.send(Err(error)).is_err() {
                    tracing::debug!("nobody waits for the answer to an order");
                }
            }
        }
    }

    fn change_of(&self, order: Order) -> Result<Change, OrderError> {
        let unknown = |id: RegionId| OrderError::Unknown(format!("there is no region {}", id.0));
        let refused = |why: &str| Err(OrderError::Refused(why.to_owned()));
        let placement = self.host.directory.placement();
        let (Order::Move { region: id, .. }
        | Order::Split { region: id }
        | Order::Merge { region: id }) = order;
        let index = placement.regions.iter().position(|region| region.id == id);
        let index = index.ok_or_else(|| unknown(id))?;
        let (region, interval) = (&placement.regions[index], placement.interval(index));
        let taken = |id| {
            self.running
                .iter()
                .any(|r| r.change.regions().contains(&id))
        };
        if self.running.len() >= ORDERS_LIMIT {
            return refused("too many changes are under way: try again");
        }
        if taken(id) || region.changing.load(Ordering::Acquire) {
            return refused("the region is being changed: try again");
        }
        if self.host.phase.draining() {
            return refused("the host is stopping");
        }
        match order {
            Order::Move { worker, .. } if worker >= self.host.workers().len() => {
                Err(OrderError::Unknown(format!("there is no worker {worker}")))
            }
            Order::Move { worker, .. } if worker == region.worker() => {
                refused("the region runs on that worker already")
            }
            Order::Move { worker, .. } => Ok(Change::Move {
                region: id,
                to: worker,
            }),
            Order::Split { .. } => match Cut::best(interval, &region.figures.weights.lock()) {
                Some(cut) => Ok(Change::Split {
                    region: id,
                    at: cut.at,
                    right_to: region.worker(),
                }),
                None => refused("all its load is in one place, or it has none"),
            },
            Order::Merge { .. } => {
                let Some(right) = placement.regions.get(index + 1) else {
                    return refused("it is the last region of the line");
                };
                if interval.to == Home(self.host.map.cells()) {
                    return refused("behind it are shards, which are not merged with the map");
                }
                if taken(right.id) || right.changing.load(Ordering::Acquire) {
                    return refused("its right neighbour is being changed: try again");
                }
                Ok(Change::Merge {
                    left: id,
                    right: right.id,
                })
            }
        }
    }

    fn begin(&mut self, number: u64, change: Change, waits: Option<Waits>) {
        self.running.push(Running {
            number,
            change,
            since: Instant::now(),
            waits,
        });
        let placement = self.host.directory.placement();
        let find = |id| placement.find(id).map(Arc::clone);
        let asked = match change {
            Change::Move { region, to } => find(region).map(|region| {
                region.ask(Todo::Move { number, to });
            }),
            Change::Split {
                region,
                at,
                right_to,
            } => find(region).map(|region| {
                region.ask(Todo::Split {
                    number,
                    at,
                    right_to,
                });
            }),
            Change::Merge { left, right } => find(left).zip(find(right)).map(|(left, right)| {
                right.ask(Todo::Yield { number, left });
            }),
        };
        drop(placement);
        if asked.is_none() {
            self.answered(number, Err("the region is no more".to_owned()));
        }
    }

    /// A change was made, or could not be.
    pub(super) fn answered(
        &mut self,
        number: u64,
        result: Result<(Vec<RegionId>, Duration), String>,
    ) {
        let Some(place) = self.running.iter().position(|r| r.number == number) else {
            tracing::warn!(change = number, "an answer that nobody waits for");
            return;
        };
        let Running { change, waits, .. } = self.running.swap_remove(place);
        let at = self.begun.elapsed();
        let status = match &result {
            Ok((named, pause)) => {
                let became = match change {
                    Change::Split { region, .. } => [&[region], &named[..]].concat(),
                    Change::Move { .. } | Change::Merge { .. } => named.clone(),
                };
                self.balancer.made(number, at, &became);
                histogram!("brightstar_change_pause_seconds", "change" => name(change))
                    .record(*pause);
                tracing::info!(change = number, ?became, ?pause, "made");
                self.host.changes.edit(number, |status| {
                    status.became = became;
                    status.state = ChangeState::Done;
                    status.pause_ms = Some(pause.as_secs_f64() * 1000.0);
                })
            }
            Err(why) => {
                self.balancer.not_made(number, at);
                tracing::warn!(change = number, why, "a change could not be made");
                self.host.changes.edit(number, |status| {
                    status.state = ChangeState::Failed;
                    status.reason = format!("{}; it failed: {why}", status.reason);
                })
            }
        };
        let cause = status.as_ref().map_or("manual", |status| status.cause);
        let outcome = if result.is_ok() { "made" } else { "failed" };
        count(change, cause, outcome);
        if let Some(waits) = waits {
            let answer = match (result, status) {
                (Ok(_), Some(status)) => Ok(status),
                (Err(why), _) => Err(OrderError::Refused(why)),
                (Ok(_), None) => Err(OrderError::Refused("it was made, long ago".to_owned())),
            };
            if waits.send(answer).is_err() {
                tracing::debug!(change = number, "nobody waits for the answer to an order");
            }
        }
    }

    /// Gives up changes that nobody answers.
    pub(super) fn look_for_stuck(&mut self) {
        let is_stuck = |running: &&Running| running.since.elapsed() > STUCK;
        while let Some(running) = self.running.iter().find(is_stuck) {
            let (number, change) = (running.number, running.change);
            tracing::error!(
                change = number,
                ?change,
                "a change is stuck; it is given up"
            );
            let placement = self.host.directory.placement();
            for id in change.regions() {
                if let Some(region) = placement.find(id) {
                    // Whoever was to go on has died: the region is made anew.
                    if region.changing.swap(false, Ordering::AcqRel) {
                        region.alive.store(false, Ordering::Release);
                    }
                }
            }
            drop(placement);
            let why = format!("it took more than {} s", STUCK.as_secs());
            self.answered(number, Err(why));
        }
    }

    fn note(&self, begun: Begun) {
        let Begun {
            number,
            change,
            cause,
            gain,
            reason,
            state,
        } = begun;
        let placement = self.host.directory.placement();
        let regions = change.regions();
        let from = regions.first().and_then(|id| placement.find(*id));
        let from_worker = from.map(|region| region.worker());
        self.host.changes.add(ChangeStatus {
            number,
            at_ms: self.host.engine.clock().now_ms(),
            change: name(change),
            cause: cause.name(),
            regions,
            became: Vec::new(),
            from_worker,
            to_worker: match change {
                Change::Move { to, .. } => Some(to),
                Change::Split { right_to, .. } => Some(right_to),
                Change::Merge { .. } => from_worker,
            },
            gain,
            reason,
            state,
            pause_ms: None,
        });
    }
}

fn count(change: Change, cause: &'static str, outcome: &'static str) {
    counter!("brightstar_partition_changes_total", "change" => name(change), "cause" => cause, "outcome" => outcome).increment(1);
}

fn name(change: Change) -> &'static str {
    match change {
        Change::Move { .. } => "move",
        Change::Split { .. } => "split",
        Change::Merge { .. } => "merge",
    }
}

//! Lives here: what is done where a crowd can't be cut: who climbs the ladder is found by what threads
//! were busy with, and told. Not here: when a rung is taken (`ladder`), what it does (`region`,
//! `hub`).
//!
//! Invariant: nobody is eased whose easing would not help.
//!
//! There are two sorts of ladders, since a crowd costs two sorts of threads. A hub's is about what its
//! sessions are shown; when that is not enough, it calls for the regions where they are to be slowed
//! down, which is what a region's ladder does, for its own worker's sake, too.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::counter;
use rustc_hash::FxHashMap;
use tokio::time::Instant;
use world_data::{RegionId, World};

use super::Fresh;
use crate::directory::{HubDoor, Placement};
use crate::host::Host;
use crate::ladder::{self, HubRung, Ladder, Strain, Turn};
use crate::region::{Rates, RegionHandle};

/// The regions are slowed down that together make so much of what their thread does for ticks, the
/// busiest first: the others would not help.
const CULPRITS: f64 = 0.8;
/// Where ticks take less than this share of a thread, slowing them down does not help.
const HELPS: f64 = 0.05;
/// A hub calls for the regions where one of so many of its sessions is, or more.
const MANY: usize = 5;

/// The ladders of one host.
pub(super) struct Easing<W: World> {
    host: Arc<Host<W>>,
    begun: Instant,
    regions: FxHashMap<RegionId, Ladder>,
    hubs: Vec<OfHub>,
}

#[derive(Debug, Default)]
struct OfHub {
    ladder: Ladder,
    /// How long its thread was busy in all, at the last look.
    busy: Option<Duration>,
}

/// What a hub did since the last look.
#[derive(Debug, Clone, Default)]
pub(super) struct HubLoad {
    /// The share of its thread that was used, sockets included.
    used: f64,
    /// (session, cell) pairs in view.
    subscriptions: usize,
    /// Its sessions by region.
    sessions: FxHashMap<RegionId, usize>,
}

impl HubLoad {
    /// Whether many of its sessions are in this region.
    fn is_about(&self, id: RegionId) -> bool {
        let all: usize = self.sessions.values().sum();
        let here = self.sessions.get(&id).copied().unwrap_or(0);
        here > 0 && here * MANY >= all
    }
}

/// A worker thread as the regions on it use it.
#[derive(Debug, Clone, Default)]
struct Thread {
    used: f64,
    /// What would be used if each of its slowed regions were one rung lower.
    lower: f64,
    /// What each of its regions does for ticks.
    ticks: Vec<(RegionId, f64)>,
}

impl Thread {
    /// Whether a region is one of those that make the thread's load.
    fn is_culprit(&self, id: RegionId) -> bool {
        let total: f64 = self.ticks.iter().map(|(_, ticks)| ticks).sum();
        let mut before = 0.0;
        for (region, ticks) in &self.ticks {
            if *region == id {
                return *ticks >= HELPS && before < total * CULPRITS;
            }
            before += ticks;
        }
        false
    }
}

impl<W: World> Easing<W> {
    pub(super) fn new(host: Arc<Host<W>>) -> Self {
        Self {
            host,
            begun: Instant::now(),
            regions: FxHashMap::default(),
            hubs: Vec::new(),
        }
    }

    /// Measures the hubs, `elapsed` seconds after the last time.
    pub(super) fn measure_hubs(&mut self, elapsed: f64) -> Vec<HubLoad> {
        let doors = self.host.directory.hubs();
        self.hubs.resize_with(doors.len(), OfHub::default);
        let load = |(door, hub): (&Arc<HubDoor<W>>, &mut OfHub)| {
            let busy = door.busy();
            let before = hub.busy.replace(busy).unwrap_or(busy);
            let used = busy.saturating_sub(before).as_secs_f64() / elapsed;
            door.set_load(used.min(1.0));
            let (subscriptions, sessions) = door.census();
            HubLoad {
                used: used.min(1.0),
                subscriptions,
                sessions,
            }
        };
        doors.iter().zip(&mut self.hubs).map(load).collect()
    }

    /// Looks at what threads were busy with, once per second; `relief` says which workers a change
    /// of partition or placement may relieve.
    pub(super) fn step(
        &mut self,
        fresh: impl Fn(RegionId) -> Fresh,
        relief: &[bool],
        hubs: &[HubLoad],
    ) {
        if !self.host.settings.ladder.on {
            return;
        }
        let host = Arc::clone(&self.host);
        let placement = host.directory.placement();
        self.look_at_hubs(hubs, &placement);
        let threads = self.threads(&placement.regions, fresh);
        let mut known = std::mem::take(&mut self.regions);
        let mut slowed = false;
        for region in &placement.regions {
            let rung = region.figures.rung.load(Ordering::Relaxed);
            // One that is new began as slow as the one it was cut from.
            let ladder = known.remove(&region.id);
            let mut ladder = ladder.unwrap_or_else(|| Ladder::at(rung));
            if let Some(thread) = threads.get(region.worker()) {
                let relief = relief.get(region.worker()).copied().unwrap_or(false);
                let own = Strain {
                    used: thread.used,
                    lower: thread.lower,
                    helps: thread.is_culprit(region.id),
                    relief,
                };
                let strain = self.with_hubs(own, region, hubs);
                self.look_at(region, &mut ladder, strain);
            }
            slowed |= ladder.rung() > 0;
            self.regions.insert(region.id, ladder);
        }
        self.host.slowed.store(slowed, Ordering::Relaxed);
    }

    fn look_at_hubs(&mut self, hubs: &[HubLoad], placement: &Placement<W>) {
        let settings = &self.host.settings.ladder;
        let at = self.begun.elapsed();
        let mut rates = Rates::default();
        let doors = self.host.directory.hubs();
        for ((door, hub), (index, load)) in doors
            .iter()
            .zip(&mut self.hubs)
            .zip(hubs.iter().enumerate())
        {
            let rung = HubRung::of(hub.ladder.rung());
            let mine = placement
                .regions
                .iter()
                .filter(|region| load.is_about(region.id));
            let slowest = mine
                .map(|region| region.dilation(settings))
                .reduce(f64::min);
            let strain = Strain {
                used: load.used,
                // Without any rung below this one, time would not be slowed down either.
                lower: load.used / slowest.unwrap_or(1.0) * rung.saves(),
                helps: if rung < HubRung::Nearest {
                    load.subscriptions > 0
                } else {
                    slowest.is_some()
                },
                relief: false,
            };
            let turn = hub.ladder.look(at, strain, HubRung::TOP, settings);
            let rung = HubRung::of(hub.ladder.rung());
            rates = rung.rate().map_or(rates, |rate| rates.with(rate));
            let (used, name) = (load.used, rung.name());
            count("hub", turn);
            match turn {
                Some(Turn::Up) => tracing::warn!(
                    hub = index,
                    rung = name,
                    used,
                    "a thread of sockets has too much to do: its sessions are shown less"
                ),
                Some(Turn::Down) => tracing::info!(
                    hub = index,
                    rung = name,
                    used,
                    "a thread of sockets has less to do: its sessions are shown more"
                ),
                None => {}
            }
            door.set_rung(hub.ladder.rung());
        }
        self.host.rates.store(rates.0, Ordering::Relaxed);
    }

    /// Adds to a region's own strain that of the hubs that are about it.
    fn with_hubs(&self, mut strain: Strain, region: &RegionHandle<W>, hubs: &[HubLoad]) -> Strain {
        let settings = &self.host.settings.ladder;
        for (hub, load) in self.hubs.iter().zip(hubs) {
            let rung = HubRung::of(hub.ladder.rung());
            if rung == HubRung::Ground || !load.is_about(region.id) {
                continue;
            }
            strain.lower = strain.lower.max(load.used * self.more(region));
            if rung == HubRung::SlowTime && load.used > settings.over {
                strain.used = strain.used.max(load.used);
                strain.helps = true;
                // Moving regions about helps no hub.
                strain.relief = false;
            }
        }
        strain
    }

    /// How many times as much happens in a region one rung lower.
    fn more(&self, region: &RegionHandle<W>) -> f64 {
        let least = self.host.settings.ladder.least_dilation;
        let rung = region.figures.rung.load(Ordering::Relaxed);
        let faster = ladder::dilation(rung.saturating_sub(1), least);
        faster / ladder::dilation(rung, least)
    }

    fn threads(
        &self,
        regions: &[Arc<RegionHandle<W>>],
        fresh: impl Fn(RegionId) -> Fresh,
    ) -> Vec<Thread> {
        let mut threads = vec![Thread::default(); self.host.workers().len()];
        for region in regions {
            let Some(thread) = threads.get_mut(region.worker()) else {
                continue;
            };
            let fresh = fresh(region.id);
            thread.used += fresh.all;
            thread.lower += fresh.all + fresh.ticks * (self.more(region) - 1.0);
            thread.ticks.push((region.id, fresh.ticks));
        }
        for thread in &mut threads {
            thread.ticks.sort_by(|a, b| b.1.total_cmp(&a.1));
        }
        threads
    }

    fn look_at(&self, region: &RegionHandle<W>, ladder: &mut Ladder, strain: Strain) {
        let settings = &self.host.settings.ladder;
        let top = ladder::slowest(settings.least_dilation);
        let Some(turn) = ladder.look(self.begun.elapsed(), strain, top, settings) else {
            return;
        };
        region.figures.rung.store(ladder.rung(), Ordering::Relaxed);
        count("region", Some(turn));
        let (region, worker) = (region.id.0, region.worker());
        let dilation = ladder::dilation(ladder.rung(), settings.least_dilation);
        let used = strain.used;
        match turn {
            Turn::Up => tracing::warn!(
                region,
                worker,
                dilation,
                used,
                "there is too much to do, and no cut or move would help: a region's time is slowed down"
            ),
            Turn::Down => tracing::info!(
                region,
                worker,
                dilation,
                used,
                "there is less to do: a region's time runs faster"
            ),
        }
    }
}

fn count(ladder: &'static str, turn: Option<Turn>) {
    let Some(turn) = turn else { return };
    let step = match turn {
        Turn::Up => "up",
        Turn::Down => "down",
    };
    counter!("brightstar_ladder_steps_total", "ladder" => ladder, "step" => step).increment(1);
}

#[cfg(test)]
mod tests;

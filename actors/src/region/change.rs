//! Lives here: how a region's actor moves to another worker, becomes two, or takes its neighbour
//! over. Not here: who decides (`balance`, `supervisor`), the state itself (`world-data`).
//!
//! Invariant: all of it happens between two turns of the actor, so that no work and no tick of the
//! region is half done; what its listeners know goes along, so that nobody begins anew; and each
//! change is answered, by whoever ends it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use world_data::{Home, RegionId, World};

use super::todo::{Parked, Todo};
use super::{Region, RegionHandle};
use crate::changes::Word;
use crate::host::Host;

/// Whether the actor goes on after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    GoOn,
    Stop,
}

impl<W: World> Region<W> {
    /// Does what the actor was asked for.
    pub(super) fn change(&mut self, todo: Todo<W>) -> After {
        if self.handle.stopping.load(Ordering::Acquire) {
            self.host
                .answer(todo.number(), Err("the host is stopping".into()));
            return After::GoOn;
        }
        match todo {
            Todo::Move { number, to } => {
                self.handle.worker.store(to, Ordering::Release);
                self.park(number);
                launch_parked(&self.host, &self.handle);
                After::Stop
            }
            Todo::Split {
                number,
                at,
                right_to,
            } => {
                let result = self.split(number, at, right_to);
                if let Err(why) = result {
                    self.host.answer(number, Err(why));
                }
                After::GoOn
            }
            Todo::Yield { number, left } => {
                self.park(number);
                let right = Arc::clone(&self.handle);
                left.ask(Todo::Absorb { number, right });
                After::Stop
            }
            Todo::Absorb { number, right } => {
                match self.absorb(&right) {
                    Ok(pause) => self.host.answer(number, Ok((vec![self.handle.id], pause))),
                    Err(why) => {
                        self.host.answer(number, Err(why));
                        if let Some(parked) = &mut *right.parked.lock() {
                            parked.number = None;
                        }
                        launch_parked(&self.host, &right);
                    }
                }
                After::GoOn
            }
        }
    }

    /// Leaves everything to the next actor. This one counts as living until that one does.
    fn park(&mut self, number: u64) {
        self.handle.changing.store(true, Ordering::Release);
        self.left = true;
        let interval = self.tracks.interval();
        let tracks = std::mem::replace(&mut self.tracks, super::Tracks::new(interval));
        *self.handle.parked.lock() = Some(Parked {
            tracks,
            last_due: self.last_due,
            since: Instant::now(),
            number: Some(number),
        });
    }

    fn split(&mut self, number: u64, at: Home, right_to: usize) -> Result<(), String> {
        let since = Instant::now();
        let (host, id) = (Arc::clone(&self.host), self.handle.id);
        let limit = host.settings.queue_limit;
        let mut fresh = None;
        let right = host.directory.repartition(
            &host.engine,
            |engine| engine.split(id, at),
            |right| {
                let handle = Arc::new(RegionHandle::new(*right, right_to, limit));
                // Nobody may start it before its tracks are there, and it is not missing either.
                handle.changing.store(true, Ordering::Release);
                handle.alive.store(true, Ordering::Release);
                let ticks = self.handle.figures.ticks.load(Ordering::Relaxed);
                handle.figures.ticks.store(ticks, Ordering::Relaxed);
                // It begins as slow as the whole was.
                let rung = self.handle.figures.rung.load(Ordering::Relaxed);
                handle.figures.rung.store(rung, Ordering::Relaxed);
                fresh = Some(Arc::clone(&handle));
                Some(handle)
            },
        )?;
        let placement = host.directory.placement();
        let intervals = (placement.interval_of(id), placement.interval_of(right));
        let (Some(left_part), Some(right_part), Some(handle)) = (intervals.0, intervals.1, fresh)
        else {
            return Err("the directory does not know the parts".into());
        };
        let tracks = self.tracks.split_off(left_part, right_part);
        *handle.parked.lock() = Some(Parked {
            tracks,
            last_due: self.last_due,
            since,
            number: Some(number),
        });
        launch_parked(&host, &handle);
        Ok(())
    }

    fn absorb(&mut self, right: &Arc<RegionHandle<W>>) -> Result<Duration, String> {
        let (host, id) = (Arc::clone(&self.host), self.handle.id);
        host.directory.repartition(
            &host.engine,
            |engine| {
                let regions = engine.regions();
                let place = regions.list.iter().position(|(known, _)| *known == id);
                let next = place.and_then(|place| regions.list.get(place + 1));
                if next.is_none_or(|(next, _)| *next != right.id) {
                    return Err(format!("region {} is not behind {}", right.id.0, id.0));
                }
                engine.merge(id)
            },
            |_| None,
        )?;
        let parked = right.parked.lock().take();
        let ticks = right.figures.ticks.load(Ordering::Relaxed);
        // Versions of cells are numbers of ticks: what comes is above what was.
        self.handle
            .figures
            .ticks
            .fetch_max(ticks, Ordering::Relaxed);
        right.leave_to(&self.handle);
        right.alive.store(false, Ordering::Release);
        right.changing.store(false, Ordering::Release);
        let whole = host.directory.placement().interval_of(id);
        let (Some(parked), Some(whole)) = (parked, whole) else {
            return Err("what the right region knew is missing".into());
        };
        self.tracks.absorb(whole, parked.tracks);
        host.engine
            .keep_placement(&host.directory.placement().workers());
        Ok(parked.since.elapsed())
    }

    /// Tells that the change is made for which the region was parked.
    pub(super) fn arrived(host: &Host<W>, handle: &RegionHandle<W>, parked: &Parked) {
        let pause = parked.since.elapsed();
        let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX).max(1);
        handle.figures.pause_micros.store(micros, Ordering::Relaxed);
        let placement = host.directory.placement();
        host.engine.keep_placement(&placement.workers());
        if let Some(number) = parked.number {
            host.answer(number, Ok((vec![handle.id], pause)));
        }
    }
}

/// Starts a parked region's next actor on its worker.
pub(crate) fn launch_parked<W: World>(host: &Arc<Host<W>>, handle: &Arc<RegionHandle<W>>) {
    let (host, handle) = (Arc::clone(host), Arc::clone(handle));
    let worker = handle.worker();
    let Some(arbiter) = host.workers().get(worker).cloned() else {
        tracing::error!(worker, "there is no such worker");
        return;
    };
    if !arbiter.spawn_fn(move || Region::launch(handle, host, 0.0)) {
        tracing::error!(worker, "the worker's thread has ended");
    }
}

impl<W: World> Host<W> {
    /// Tells the supervisor what became of a change.
    pub(crate) fn answer(&self, number: u64, result: Result<(Vec<RegionId>, Duration), String>) {
        if self.words.say(Word::Answer { number, result }).is_err() {
            tracing::warn!(change = number, "nobody hears what became of a change");
        }
    }
}

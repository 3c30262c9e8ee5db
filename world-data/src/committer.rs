//! Lives here: the committer: opens epochs, collects lanes, appends to the journal, releases
//! effects. Not here: the journal's files (`journal`), LMDB (`checkpoint`).
//!
//! Invariant: an effect is delivered only after the journal holds, synced, every epoch up to its
//! own, and with it what the effect says of its session; a failed append or sync ends the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::journal::{FRAME_HEAD, Journal};
use crate::lane::{Entry, Numbered, Set};
use crate::line::Map;
use crate::record::{Change, write_effect, write_fact, write_job, write_put};
use crate::shared::Shared;

/// How often an idle committer looks for old lazy writes.
const IDLE_LOOK: Duration = Duration::from_millis(200);

pub(crate) struct Committer {
    shared: Arc<Shared>,
    journal: Box<dyn Journal>,
    sets: Vec<Set>,
    effects: Vec<Numbered>,
    looked_ms: u64,
    last_size: usize,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer").finish_non_exhaustive()
    }
}

/// Durations are measured for metrics; nothing is decided on them.
#[expect(
    clippy::disallowed_methods,
    reason = "measures durations for metrics only"
)]
fn instant() -> std::time::Instant {
    std::time::Instant::now()
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, journal: Box<dyn Journal>) -> Self {
        let (sets, effects) = (Vec::new(), Vec::new());
        Self {
            shared,
            journal,
            sets,
            effects,
            looked_ms: 0,
            last_size: 0,
        }
    }

    pub(crate) fn start(mut self) -> std::io::Result<std::thread::JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || {
                // An object's own code encodes it, and a sink is not ours: a panic there must not
                // leave a world that looks alive and tells nobody anything.
                let shared = Arc::clone(&self.shared);
                if catch_unwind(AssertUnwindSafe(|| self.run())).is_err() {
                    shared.fail("the committer panicked".into());
                }
                shared.set_stopped();
            })?;
        shared.signal.set_thread(thread.thread().clone());
        Ok(thread)
    }

    fn run(&mut self) {
        while self.shared.failed.get().is_none() {
            self.look_for_lazy();
            if !self.round() {
                if self.shared.signal.is_stopping() {
                    break;
                }
                self.shared.signal.park(IDLE_LOOK);
            }
        }
    }

    pub(crate) fn look_for_lazy(&mut self) {
        let now = self.shared.clock.now_ms();
        if now.saturating_sub(self.looked_ms) >= IDLE_LOOK.as_millis() as u64 {
            self.looked_ms = now;
            self.shared.flush_old_lazy();
            let live = self.shared.live.load(Ordering::Relaxed);
            self.shared.metrics.objects.set(live as f64);
            let homes = self.shared.homes.load(Ordering::Relaxed);
            self.shared.metrics.homes.set(homes as f64);
            let jobs = self.shared.jobs.number.load(Ordering::Relaxed);
            self.shared.metrics.jobs_pending.set(jobs as f64);
            let talk = self.shared.lock(&self.shared.numbers).census();
            self.shared.metrics.channels.set(talk.channels as f64);
            let members = &self.shared.metrics.channel_members;
            members.set(talk.members as f64);
            let messages = &self.shared.metrics.channel_messages;
            messages.absolute(talk.said);
        }
    }

    /// Closes the open epoch and makes it durable; `false` if nobody had anything.
    pub(crate) fn round(&mut self) -> bool {
        if !self.shared.signal.take_work() {
            return false;
        }
        let begun = instant();
        let epoch = self.open_next();
        self.shared.pause();
        let record = match self.encode() {
            Ok(record) => record,
            Err(why) => {
                self.shared
                    .fail(format!("epoch {epoch} can't be encoded: {why}"));
                return false;
            }
        };
        if record.len() > FRAME_HEAD
            && let Err(why) = self.write(epoch, record)
        {
            self.shared
                .fail(format!("epoch {epoch} can't be written: {why}"));
            return false;
        }
        self.shared.pause();
        self.shared.set_durable(epoch);
        self.release();
        self.shared.metrics.epochs.increment(1);
        self.shared.metrics.epoch_seconds.record(begun.elapsed());
        true
    }

    /// Opens the next epoch, then collects the last one from all lanes that hold something.
    fn open_next(&mut self) -> u64 {
        let shared = &self.shared;
        let _collecting = shared.lock(&shared.collecting);
        let epoch = shared.epoch.fetch_add(1, Ordering::SeqCst);
        shared.pause();
        for region in &shared.table.load().regions {
            shared.pause();
            if region.flagged.swap(false, Ordering::SeqCst)
                && shared.lock(&region.lane).take(epoch, &mut self.sets)
            {
                // Already something of the next epoch: come again.
                region.flagged.store(true, Ordering::SeqCst);
                shared.signal.wake();
            }
        }
        epoch
    }

    fn encode(&mut self) -> Result<Vec<u8>, String> {
        let mut record = Vec::with_capacity(self.last_size.max(256));
        // The journal writes its own head in front, without moving the record.
        record.resize(FRAME_HEAD, 0);
        // Several epochs come together when the partition changed in between. An object whose row
        // stands in a set of before may have gone on to any lane since.
        self.sets.sort_by_key(|set| set.epoch);
        for set in &mut self.sets {
            for entry in set.entries.drain(..) {
                encode_entry(&self.shared.map, &entry, &mut record)?;
            }
            self.effects.append(&mut set.effects);
        }
        self.sets.clear();
        self.encode_effects(&mut record);
        self.last_size = record.len() + record.len() / 4;
        Ok(record)
    }

    /// Writes down what the effects say of sessions, in commit order, behind what was laid down
    /// before them.
    fn encode_effects(&mut self, record: &mut Vec<u8>) {
        // Each lane's effects are in order already: a sort that finds runs is nearly a merge.
        self.effects.sort_by_key(|effect| effect.number);
        let at_ms = self.shared.clock.now_ms();
        let mut numbers = self.shared.lock(&self.shared.numbers);
        for Numbered { effect, told, .. } in &mut self.effects {
            let now = told.is_none().then(|| numbers.number(effect));
            if let Some(noted) = told.as_ref().or(now.as_ref()) {
                write_effect(record, effect, noted, at_ms);
            }
        }
    }

    fn write(&mut self, epoch: u64, mut record: Vec<u8>) -> Result<(), String> {
        let metrics = &self.shared.metrics;
        self.journal
            .append(epoch, &mut record)
            .map_err(|e| e.to_string())?;
        let begun = instant();
        self.journal.sync().map_err(|e| e.to_string())?;
        metrics.journal_sync_seconds.record(begun.elapsed());
        metrics.journal_syncs.increment(1);
        metrics.journal_bytes.increment(record.len() as u64);
        metrics.epoch_bytes.record(record.len() as f64);
        match self.shared.checkpointer.get() {
            Some(checkpointer) => checkpointer
                .offer(epoch, Arc::new(record))
                .map_err(|e| e.to_string()),
            None => Err("there is no checkpointer".into()),
        }
    }

    fn release(&mut self) {
        if self.effects.is_empty() {
            return;
        }
        self.shared
            .metrics
            .epoch_tasks
            .record(self.effects.len() as f64);
        let told = self
            .effects
            .drain(..)
            .filter(|numbered| numbered.told.is_none());
        let effects: Vec<_> = told.map(|numbered| numbered.effect).collect();
        if !effects.is_empty() {
            self.shared.sink.deliver(effects);
        }
    }
}

fn encode_entry(map: &Map, entry: &Entry, record: &mut Vec<u8>) -> Result<(), String> {
    match entry {
        Entry::Put { id, place, value } => {
            let home = place.map(|(home, _)| home).or_else(|| id.fixed_home(map));
            let home = home.ok_or_else(|| format!("entity {} has no place", id.raw()))?;
            return write_put(record, *id, home, place.map(|(_, at)| at), value);
        }
        Entry::Remove { id, home } => Change::Remove {
            id: *id,
            home: *home,
        }
        .write(record),
        Entry::Name {
            home,
            name,
            id: Some(id),
        } => {
            Change::Bind {
                home: *home,
                name,
                id: *id,
            }
            .write(record);
        }
        Entry::Name {
            home,
            name,
            id: None,
        } => Change::Unbind { home: *home, name }.write(record),
        Entry::Meta { key, value } => Change::Meta { key, value }.write(record),
        Entry::Dead { number, letter } => {
            Change::Dead {
                number: *number,
                letter,
            }
            .write(record);
        }
        Entry::Session { session, fact } => write_fact(record, *session, fact),
        Entry::Job { id, job: Some(job) } => write_job(record, *id, job),
        Entry::Job { id, job: None } => Change::Drop { id: *id }.write(record),
        Entry::Void => {}
    }
    Ok(())
}

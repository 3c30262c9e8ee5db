//! Lives here: what must be true of a life of a simulated world and of what the disk gave back
//! after it, each as a function named by a sentence. Not here: the lives (`simulation`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use world_data::ObjectId;

use crate::agreement::made;
use crate::diary::{Deed, Diary, Hearing};
use crate::ground::{BANK, FUNDS, Thing, Told, bank};
use crate::history::{self, Act, Entry, Verdict};
use crate::model::Model;
use crate::programs::{Either, SENT_BY, Saw};
use crate::replay::{acts, regions_of, replay, steady};
use crate::snapshot::difference;

/// A life, and the worlds before and behind it.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) diary: &'a Diary,
    /// The world as the life found it.
    pub(crate) before: &'a Model,
    /// The world in memory at its end, if it ended with nobody at work.
    pub(crate) memory: Option<&'a Model>,
    /// The world that the disk gave back.
    pub(crate) after: &'a Model,
    /// When the world began again.
    pub(crate) restarted_ms: u64,
    /// Whether effects waited for the disk.
    pub(crate) strict: bool,
    /// Whether all was written to the disk before it ended.
    pub(crate) flushed: bool,
}

impl Evidence<'_> {
    /// All properties, the simplest first.
    pub(crate) fn check(&self) -> Verdict {
        self.replies_tell_what_happened()?;
        self.effects_come_whole()?;
        self.effects_in_commit_order()?;
        if self.strict {
            self.effects_only_after_commit()?;
        }
        self.serial_order_exists()?;
        self.nothing_is_lost_in_memory()?;
        if self.strict || self.flushed {
            self.acknowledged_is_durable()?;
        }
        self.prefix_of_each_region()?;
        self.all_or_nothing()
    }

    fn deed(&self, mark: u32) -> Result<&Deed, String> {
        let found = self.diary.deeds.iter().find(|deed| deed.mark() == mark);
        found.ok_or_else(|| format!("task {mark} was told of, and never concluded"))
    }

    /// Whom an effect comes from.
    fn source(hearing: &Hearing) -> u32 {
        match &hearing.told {
            Told::Event(_, number) => (number / SENT_BY) as u32,
            Told::Reply(_, mark, _) => *mark as u32,
            Told::Close(_) => unreachable!("no program closes a session"),
        }
    }

    /// Every task is told of at most once, and how it ended.
    fn replies_tell_what_happened(&self) -> Verdict {
        let mut once = BTreeSet::new();
        for hearing in &self.diary.heard {
            let Told::Reply(_, mark, fault) = &hearing.told else {
                continue;
            };
            let deed = self.deed(*mark as u32)?;
            if deed.fault != *fault || !once.insert(*mark) {
                return Err(format!(
                    "{hearing:?} is told of, or told twice of, {deed:?}"
                ));
            }
        }
        if self.flushed {
            let untold = |deed: &&Deed| deed.replies() && !once.contains(&u64::from(deed.mark()));
            if let Some(deed) = self.diary.deeds.iter().find(untold) {
                return Err(format!("nobody was told of {deed:?}"));
            }
        }
        Ok(())
    }

    /// A task's effects leave together, in their order, and only if it committed.
    fn effects_come_whole(&self) -> Verdict {
        let marks: Vec<_> = self.diary.heard.iter().map(Self::source).collect();
        let mut seen = BTreeSet::new();
        for group in marks.chunk_by(|a, b| a == b) {
            let deed = self.deed(group[0])?;
            let sends = if deed.commits() { deed.sends() } else { 0 };
            let expected = sends + usize::from(deed.replies());
            if !seen.insert(group[0]) || group.len() != expected {
                return Err(format!(
                    "{} effects of {deed:?}, not {expected}",
                    group.len()
                ));
            }
        }
        Ok(())
    }

    /// Where each task's effects stand in what was told.
    fn positions(&self) -> HashMap<u32, usize> {
        let heard = self.diary.heard.iter().enumerate();
        heard
            .map(|(at, hearing)| (Self::source(hearing), at))
            .collect()
    }

    /// Of two tasks that touched one object, or of which one had returned before the other was
    /// called, the earlier is told of first.
    fn effects_in_commit_order(&self) -> Verdict {
        let positions = self.positions();
        let told: Vec<_> = self
            .diary
            .deeds
            .iter()
            .filter_map(|deed| Some((deed, *positions.get(&deed.mark())?)))
            .map(|(deed, at)| (deed, at, deed.ids().collect::<BTreeSet<_>>()))
            .collect();
        for (index, (late, late_at, late_ids)) in told.iter().enumerate() {
            for (early, early_at, early_ids) in &told[..index] {
                let before = early.to.is_some_and(|to| to < late.from);
                let shares = !early_ids.is_disjoint(late_ids);
                if (before || shares) && early_at > late_at {
                    return Err(format!("{late:?} was told of before {early:?}"));
                }
            }
        }
        Ok(())
    }

    /// When an effect leaves, its task and all that its task saw are on disk.
    fn effects_only_after_commit(&self) -> Verdict {
        let epochs: HashMap<u32, u64> = self
            .diary
            .deeds
            .iter()
            .filter(|deed| deed.writes() && deed.is_durable())
            .filter_map(|deed| Some((deed.mark(), deed.report?.epoch)))
            .collect();
        for hearing in &self.diary.heard {
            let deed = self.deed(Self::source(hearing))?;
            let seen = deed.saw.iter().flat_map(|saw| match saw {
                Saw::Thing(_, Some(thing)) => &thing.marks[..],
                _ => &[],
            });
            for mark in seen.chain([&deed.mark()]) {
                if let Some(epoch) = epochs.get(mark)
                    && *epoch > hearing.synced
                {
                    return Err(format!(
                        "{deed:?} was told of when epoch {} was on disk, though task {mark} is of \
                         epoch {epoch}",
                        hearing.synced
                    ));
                }
            }
        }
        Ok(())
    }

    /// The order in which tasks were concluded explains every answer; and, without that knowledge,
    /// lists and moments alone allow a serial order.
    fn serial_order_exists(&self) -> Verdict {
        replay(self.before, self.diary.deeds.iter())?;
        history::serial_order_exists(&self.history())
    }

    fn history(&self) -> Vec<Entry<ObjectId>> {
        let lists = |model: &Model| -> BTreeMap<ObjectId, Vec<u32>> {
            let steady = |(id, item): (&ObjectId, _)| Some((*id, steady(*id, item)?.marks.clone()));
            model
                .objects
                .iter()
                .map(|(id, item)| (id, &item.value))
                .filter_map(steady)
                .collect()
        };
        let before = lists(self.before);
        let append = |(id, marks): (&ObjectId, &Vec<u32>)| {
            marks
                .iter()
                .map(|mark| Act::Append(*id, *mark))
                .collect::<Vec<_>>()
        };
        let genesis = before.iter().flat_map(append).collect();
        let mut history = vec![Entry {
            from: 0,
            to: 0,
            acts: genesis,
        }];
        history.extend(self.diary.deeds.iter().map(|deed| {
            let acts = acts(deed, &before);
            Entry {
                from: deed.from,
                to: deed.to.unwrap_or(u64::MAX - 2),
                acts,
            }
        }));
        if let Some(memory) = self.memory {
            let acts = lists(memory)
                .into_iter()
                .map(|(id, marks)| Act::Read(id, marks))
                .collect();
            history.push(Entry {
                from: u64::MAX - 1,
                to: u64::MAX,
                acts,
            });
        }
        history
    }

    /// What memory holds at the end is what the tasks that committed have made.
    fn nothing_is_lost_in_memory(&self) -> Verdict {
        let Some(memory) = self.memory else {
            return Ok(());
        };
        let had_turn = |deed: &&Deed| deed.commits() || deed.given.this.is_some();
        let committed = self.diary.deeds.iter().filter(had_turn);
        let expected = replay(self.before, committed)?;
        let fault = difference(&expected, memory, false);
        fault.map_or(Ok(()), |why| Err(format!("in memory {why}")))
    }

    fn survivors(&self) -> BTreeSet<u32> {
        let marks = self
            .after
            .objects
            .values()
            .filter_map(|item| match &item.value {
                Either::Thing(thing) => Some(&thing.marks),
                Either::Note(_) => None,
            });
        marks.flatten().copied().collect()
    }

    /// What a client was told of is there after a crash; after a flush everything is.
    fn acknowledged_is_durable(&self) -> Verdict {
        let (survivors, positions) = (self.survivors(), self.positions());
        let lost = self.diary.deeds.iter().find(|deed| {
            let must = self.flushed || positions.contains_key(&deed.mark());
            must && deed.writes() && !survivors.contains(&deed.mark())
        });
        lost.map_or(Ok(()), |deed| {
            Err(format!("lost, though it was told of: {deed:?}"))
        })
    }

    /// Of the tasks that touched a region, those that survived are the first ones.
    fn prefix_of_each_region(&self) -> Verdict {
        let Some(partition) = &self.diary.partition else {
            return Ok(());
        };
        let survivors = self.survivors();
        let mut first_lost: BTreeMap<usize, &Deed> = BTreeMap::new();
        let mut model = self.before.clone();
        for deed in &self.diary.deeds {
            if !deed.writes() {
                if let Some((this, seed)) = deed.given.this {
                    model.pass_turn(this, deed.now, seed)?;
                }
                continue;
            }
            let mut regions = regions_of(deed, &model, partition);
            let made = made(&deed.saw);
            model.execute(&deed.program, &deed.given, deed.now, made)?;
            regions.extend(regions_of(deed, &model, partition));
            for region in regions {
                match first_lost.get(&region) {
                    None if !survivors.contains(&deed.mark()) => {
                        first_lost.insert(region, deed);
                    }
                    Some(lost) if survivors.contains(&deed.mark()) => {
                        return Err(format!(
                            "region {region} lost {lost:?} and kept the later {deed:?}"
                        ));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The world that the disk gave back is what the surviving tasks alone would have made, whole
    /// and with the same answers; and so are the answers of those that only read and were heard.
    fn all_or_nothing(&self) -> Verdict {
        let (survivors, positions) = (self.survivors(), self.positions());
        let counts = self.diary.deeds.iter().filter(|deed| {
            if deed.writes() {
                survivors.contains(&deed.mark())
            } else if deed.given.this.is_some() {
                self.was_had_in_vain(deed)
            } else {
                self.strict && positions.contains_key(&deed.mark())
            }
        });
        let mut expected = replay(self.before, counts).map_err(|why| format!("on disk: {why}"))?;
        expected.restart(self.restarted_ms);
        if let Some(why) = difference(&expected, self.after, false) {
            return Err(format!("the disk gave back another world: {why}"));
        }
        let funds: i64 = (0..BANK)
            .filter_map(|key| self.thing(bank(key).id()))
            .map(|t| t.n)
            .sum();
        if funds == BANK as i64 * FUNDS {
            Ok(())
        } else {
            Err(format!("the bank holds {funds}"))
        }
    }

    /// Whether the turn of a job that ended without effect has survived: then the job waits no more,
    /// unless it comes again, and then a restart takes it to the same point of its phase. Of a job
    /// that has not survived itself nothing can be said.
    fn was_had_in_vain(&self, deed: &Deed) -> bool {
        let Some((this, _)) = deed.given.this else {
            return false;
        };
        let made = Saw::Job(this);
        let mut makers = self
            .diary
            .deeds
            .iter()
            .filter(|deed| deed.saw.contains(&made));
        let was_made = makers.all(|deed| self.survivors().contains(&deed.mark()));
        let waits = self.after.jobs.get(&this);
        was_made && waits.is_none_or(|(job, _)| job.every.is_some())
    }

    /// How much this life has shown.
    pub(crate) fn tally(&self) -> Vec<(String, u64)> {
        let (survivors, positions) = (self.survivors(), self.positions());
        let count = |what: &str, is: &dyn Fn(&Deed) -> bool| {
            (
                what.to_owned(),
                self.diary.deeds.iter().filter(|deed| is(deed)).count() as u64,
            )
        };
        let is_lost = |deed: &Deed| deed.writes() && !survivors.contains(&deed.mark());
        vec![
            count("tasks kept", &|deed| survivors.contains(&deed.mark())),
            count("chores kept", &|deed| {
                deed.given.this.is_some() && survivors.contains(&deed.mark())
            }),
            count("durable tasks lost", &|deed| {
                is_lost(deed) && deed.is_durable()
            }),
            count("lazy tasks lost", &|deed| {
                is_lost(deed) && !deed.is_durable()
            }),
            count("tasks told of", &|deed| {
                positions.contains_key(&deed.mark())
            }),
            count("readers told of", &|deed| {
                !deed.writes() && positions.contains_key(&deed.mark())
            }),
            (
                "lives with all finished".into(),
                u64::from(self.memory.is_some()),
            ),
            ("lives cut short".into(), u64::from(self.memory.is_none())),
        ]
    }

    fn thing(&self, id: ObjectId) -> Option<&Thing> {
        steady(id, &self.after.objects.get(&id)?.value)
    }
}

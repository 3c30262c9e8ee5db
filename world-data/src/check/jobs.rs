//! Lives here: the check of jobs: whose they are, and whether this world can do them.

use super::graph::From;
use super::{Check, guarded, hex, number};
use crate::engine::OpenError;
use crate::job::Job;
use crate::line::Home;
use crate::mention;
use crate::object::ObjectId;
use crate::world::World;

impl Check<'_> {
    pub(super) fn jobs<W: World>(&mut self) -> Result<(), OpenError> {
        for item in self.look.rows("jobs", &[])? {
            let (key, row) = item?;
            let parts = key.split_at_checked(8);
            let parts = parts.and_then(|(of, job)| {
                Some((number(of).and_then(ObjectId::from_raw)?, number(job)?))
            });
            let Some((of, job)) = parts else {
                self.damage("jobs", format!("{} is not object and number", hex(key)));
                continue;
            };
            self.told.counts.jobs += 1;
            if let Err(why) = self.job::<W>(of, job, row) {
                self.damage(format!("job {job} of object {}", of.raw()), why);
            }
        }
        Ok(())
    }

    fn job<W: World>(&mut self, of: ObjectId, number: u64, row: &[u8]) -> Result<(), String> {
        // Where it lives follows from its object, and is no part of its row.
        let job = Job::read(Home(0), row)?;
        let mut mentions = Vec::new();
        guarded(|| {
            let words: W::Job = rmp_serde::from_slice(&job.payload)
                .map_err(|e| format!("this world can't read what is to be done: {e}"))?;
            mention::of(&words, &mut |mention| mentions.push(mention))
        })?;
        self.note(&From::Job(of.raw(), number), mentions);
        if job.tied && !self.has(of) {
            return Err("it is tied to its object, which is gone".into());
        }
        Ok(())
    }
}

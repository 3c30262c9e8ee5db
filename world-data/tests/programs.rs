//! Lives here: programs: what random tasks do, step by step, on the engine and on the model alike.
//! Not here: drawing them (`draw`), the model itself (`model`), when they run (`simulation`).
//!
//! Invariant: what a program does depends on its own text and on what it is answered, nothing else.

use std::fmt::Debug;

use world_data::{JobId, Object, ObjectId, Pending, Point, Ref, Stop};

use crate::ground::{Note, Thing, WALKERS};

/// What is sent is the sender's mark times this, and a number below.
pub(crate) const SENT_BY: u64 = 1000;
/// The first key of things that come and go; those below are the bank's.
pub(crate) const FLEETING: u64 = 100;

/// One step. Objects are picked from those known when the task began, then those it made itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    Get(Pick),
    Find(Pick),
    /// Looks for a note where there is a thing.
    Mistake(Pick),
    FindNote(Pick),
    /// Adds to a thing's number and marks it.
    Add(Pick, i64),
    /// Changes a thing in a closure that then stops.
    AddAndStop(Pick),
    Create(i64),
    CreateNote,
    CreateAt(i64, Point),
    CreateKeyed(u64, i64),
    Remove(Pick),
    Place(Pick, Point),
    Position(Pick),
    Nearby(Point, f64),
    Bind(String, Pick),
    Lookup(String),
    Unbind(String),
    Names(&'static str, Option<String>, usize),
    Send(u64),
    /// Has a chore done later, once.
    After(Pick, Later),
    /// Has a chore done every so often.
    Every(Pick, Later),
    /// The jobs of an object.
    Jobs(Pick),
    /// Cancels one of an object's jobs, once or twice.
    Cancel(Pick, usize, bool),
    /// Cancels the job whose turn this is.
    CancelThis,
}

/// A chore to be done later.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Later {
    /// Its delay, or its period.
    pub(crate) millis: u64,
    pub(crate) tied: bool,
    pub(crate) seed: u64,
}

/// An object a program speaks of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pick {
    /// This keyed thing.
    Key(u64),
    /// One of those known.
    Known(usize),
    /// The newest of those known: often one that the task made itself.
    Newest,
    /// One of those known that genesis did not make: it may be removed.
    Fleeting(usize),
}

/// How a program ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    Commit,
    Refuse,
    Panic,
    /// It panics while it changes a thing.
    PanicInside(Pick),
}

/// What a task does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Program {
    pub(crate) ops: Vec<Op>,
    pub(crate) end: End,
}

/// What a step was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Saw {
    Thing(ObjectId, Option<Thing>),
    Note(Option<Note>),
    Added(ObjectId),
    Made(ObjectId),
    At(ObjectId, Point),
    Near(Vec<(ObjectId, Point, i64)>),
    Bound(Option<ObjectId>),
    Was(bool),
    Names(Vec<(String, ObjectId)>),
    Job(JobId),
    Jobs(Vec<Pending>),
    Missing(ObjectId),
    Fault,
    Refused(String),
    Done,
}

/// The interface of a task, as programs use it; on the engine and on the model.
pub(crate) trait Api {
    fn get(&mut self, id: ObjectId) -> Result<Thing, Stop>;
    fn find<T: Kept>(&mut self, id: ObjectId, strict: bool) -> Result<Option<T>, Stop>;
    fn update(
        &mut self,
        id: ObjectId,
        change: &mut dyn FnMut(&mut Thing) -> Result<(), Stop>,
    ) -> Result<(), Stop>;
    fn create<T: Kept>(&mut self, object: T) -> Result<ObjectId, Stop>;
    fn create_at(&mut self, thing: Thing, at: Point) -> Result<ObjectId, Stop>;
    fn create_keyed(&mut self, key: u64, thing: Thing) -> Result<ObjectId, Stop>;
    fn remove(&mut self, id: ObjectId) -> Result<(), Stop>;
    fn place(&mut self, id: ObjectId, at: Point) -> Result<(), Stop>;
    fn position(&mut self, id: ObjectId) -> Result<Point, Stop>;
    /// Things without legs, by id.
    fn nearby(&mut self, at: Point, radius: f64) -> Result<Vec<(ObjectId, Point, i64)>, Stop>;
    fn bind(&mut self, name: &str, id: ObjectId) -> Result<(), Stop>;
    fn lookup(&mut self, name: &str) -> Result<Option<ObjectId>, Stop>;
    fn unbind(&mut self, name: &str) -> Result<bool, Stop>;
    fn names(
        &mut self,
        directory: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, ObjectId)>, Stop>;
    fn send(&mut self, number: u64);
    fn schedule(&mut self, of: ObjectId, later: Later, again: bool) -> Result<JobId, Stop>;
    fn jobs(&mut self, of: ObjectId) -> Result<Vec<Pending>, Stop>;
    fn cancel(&mut self, job: JobId) -> Result<(), Stop>;
}

/// What a run of a program is given besides its text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Given {
    pub(crate) mark: u32,
    /// The objects it can pick from.
    pub(crate) known: Vec<ObjectId>,
    /// The job whose turn it is, and its seed.
    pub(crate) this: Option<(JobId, u64)>,
}

/// The two kinds of the ground, as the model keeps them.
pub(crate) trait Kept: Object + Debug + PartialEq {
    fn wrap(self) -> Either;
    fn unwrap(either: &Either) -> Option<&Self>;
}

/// A value of either kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Either {
    Thing(Thing),
    Note(Note),
}

impl Kept for Thing {
    fn wrap(self) -> Either {
        Either::Thing(self)
    }

    fn unwrap(either: &Either) -> Option<&Self> {
        if let Either::Thing(thing) = either {
            Some(thing)
        } else {
            None
        }
    }
}

impl Kept for Note {
    fn wrap(self) -> Either {
        Either::Note(self)
    }

    fn unwrap(either: &Either) -> Option<&Self> {
        if let Either::Note(note) = either {
            Some(note)
        } else {
            None
        }
    }
}

/// A panic that a program asked for; it goes past the panic hook, which would only fill the log.
pub(crate) fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new("a program asked for it"))
}

/// A program in the middle of its run.
struct Going<'a, A> {
    api: &'a mut A,
    mark: u32,
    pool: Vec<ObjectId>,
    this: Option<JobId>,
}

/// Runs a program, noting what it is answered.
///
/// # Errors
/// What ended it: a refusal of its own, or what the engine stopped it for.
pub(crate) fn run<A: Api>(
    api: &mut A,
    program: &Program,
    given: &Given,
    saw: &mut Vec<Saw>,
) -> Result<(), Stop> {
    let mut going = Going {
        api,
        mark: given.mark,
        pool: given.known.clone(),
        this: given.this.map(|(id, _)| id),
    };
    for op in &program.ops {
        let (answer, id) = going.step(op);
        saw.push(match answer {
            Ok(answer) => answer,
            Err(Stop::Missing(id)) => Saw::Missing(id),
            Err(Stop::Fault(_)) => Saw::Fault,
            Err(Stop::Refused(why)) => Saw::Refused(why),
            Err(stop @ (Stop::Again | Stop::Timeout)) => return Err(stop),
        });
        going.pool.extend(id);
    }
    match program.end {
        End::Commit => Ok(()),
        End::Refuse => Err(Stop::refused("by its text")),
        End::Panic => panic_quietly(),
        End::PanicInside(pick) => {
            let id = going.pick(pick);
            going.api.update(id, &mut |thing| {
                thing.n = i64::MAX;
                panic_quietly()
            })
        }
    }
}

impl<A: Api> Going<'_, A> {
    fn pick(&self, pick: Pick) -> ObjectId {
        let fleeting = self.pool.get(WALKERS as usize..).unwrap_or_default();
        let picked = match pick {
            Pick::Key(key) => return Ref::<Thing>::keyed(key).id(),
            Pick::Known(at) => self.pool.get(at % self.pool.len().max(1)),
            Pick::Newest => self.pool.last(),
            Pick::Fleeting(at) => fleeting.get(at % fleeting.len().max(1)),
        };
        picked
            .copied()
            .unwrap_or(Ref::<Thing>::keyed(FLEETING).id())
    }

    /// Takes one step; an object it made is the second part of the answer.
    fn step(&mut self, op: &Op) -> (Result<Saw, Stop>, Option<ObjectId>) {
        let made = match op {
            Op::Create(n) => self.api.create(Thing::new(*n, self.mark)),
            Op::CreateNote => self.api.create(Note {
                text: format!("note {}", self.mark),
            }),
            Op::CreateAt(n, at) => self.api.create_at(Thing::new(*n, self.mark), *at),
            Op::CreateKeyed(key, n) => self.api.create_keyed(*key, Thing::new(*n, self.mark)),
            other => return (self.look_or_change(other), None),
        };
        let id = made.as_ref().ok().copied();
        (made.map(Saw::Made), id)
    }

    fn look_or_change(&mut self, op: &Op) -> Result<Saw, Stop> {
        match op {
            Op::Get(pick) => {
                let id = self.pick(*pick);
                self.api.get(id).map(|thing| Saw::Thing(id, Some(thing)))
            }
            Op::Find(pick) => {
                let id = self.pick(*pick);
                self.api
                    .find::<Thing>(id, true)
                    .map(|thing| Saw::Thing(id, thing))
            }
            Op::Mistake(pick) => self.api.find::<Note>(self.pick(*pick), true).map(Saw::Note),
            Op::FindNote(pick) => self
                .api
                .find::<Note>(self.pick(*pick), false)
                .map(Saw::Note),
            Op::Add(pick, n) => {
                let (id, mark) = (self.pick(*pick), self.mark);
                let add = &mut |thing: &mut Thing| {
                    thing.n += n;
                    if thing.marks.last() != Some(&mark) {
                        thing.marks.push(mark);
                    }
                    Ok(())
                };
                self.api.update(id, add).map(|()| Saw::Added(id))
            }
            Op::AddAndStop(pick) => {
                let id = self.pick(*pick);
                let stop = &mut |thing: &mut Thing| {
                    thing.n = -1;
                    Err(Stop::refused("inside"))
                };
                self.api.update(id, stop).map(|()| Saw::Done)
            }
            Op::Remove(pick) => self.api.remove(self.pick(*pick)).map(|()| Saw::Done),
            Op::Place(pick, at) => self.api.place(self.pick(*pick), *at).map(|()| Saw::Done),
            Op::Position(pick) => {
                let id = self.pick(*pick);
                self.api.position(id).map(|at| Saw::At(id, at))
            }
            Op::Nearby(at, radius) => self.api.nearby(*at, *radius).map(Saw::Near),
            other => self.name_or_tell(other),
        }
    }

    fn name_or_tell(&mut self, op: &Op) -> Result<Saw, Stop> {
        match op {
            Op::Bind(name, pick) => self.api.bind(name, self.pick(*pick)).map(|()| Saw::Done),
            Op::Lookup(name) => self.api.lookup(name).map(Saw::Bound),
            Op::Unbind(name) => self.api.unbind(name).map(Saw::Was),
            Op::Names(directory, after, limit) => self
                .api
                .names(directory, after.as_deref(), *limit)
                .map(Saw::Names),
            Op::Send(number) => {
                // Whoever hears it can tell who sent it.
                self.api.send(u64::from(self.mark) * SENT_BY + number);
                Ok(Saw::Done)
            }
            other => self.schedule_or_cancel(other),
        }
    }

    fn schedule_or_cancel(&mut self, op: &Op) -> Result<Saw, Stop> {
        match op {
            Op::After(pick, later) => {
                let of = self.pick(*pick);
                self.api.schedule(of, *later, false).map(Saw::Job)
            }
            Op::Every(pick, later) => {
                let of = self.pick(*pick);
                self.api.schedule(of, *later, true).map(Saw::Job)
            }
            Op::Jobs(pick) => self.api.jobs(self.pick(*pick)).map(Saw::Jobs),
            Op::Cancel(pick, which, twice) => {
                let jobs = self.api.jobs(self.pick(*pick))?;
                let Some(job) = jobs.get(which % jobs.len().max(1)) else {
                    return Ok(Saw::Jobs(jobs));
                };
                self.api.cancel(job.id)?;
                if *twice {
                    self.api.cancel(job.id)?;
                }
                Ok(Saw::Done)
            }
            Op::CancelThis => match self.this {
                Some(this) => self.api.cancel(this).map(|()| Saw::Done),
                None => Ok(Saw::Done),
            },
            other => unreachable!("{other:?} is handled above"),
        }
    }
}

//! Lives here: the yard, a small world to test with, and a host that runs it.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use actors::{Post, Runtime, Settings};
use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use world_data::{
    Call, Caller, Class, Done, Engine, Entity, JobId, Kinds, Map, Message, Object, ObjectId,
    OpenError, Options, Payload, Point, Ref, SessionId, Step, Stop, Task, Tick, World,
};

pub(crate) const METRES: f64 = 256.0;
pub(crate) const RADIUS: f64 = 70.0;
const BUGS: u32 = 40;
/// Bugs fly a cell in about a second, so that borders are crossed often.
const BUG_SPEED: f64 = 30.0;

#[derive(Debug, Default)]
pub(crate) struct Yard {
    /// `Hold` waits here.
    pub(crate) gate: Gate,
    /// Bugs fly only while this is not set.
    pub(crate) frozen: AtomicBool,
    pub(crate) bugs: bool,
    /// Bugs are in every cell and stay there, always on the move.
    pub(crate) crawl: bool,
    /// How long the tick of a walker takes, in milliseconds: it makes a region busy, and no
    /// processor.
    pub(crate) drag: AtomicU64,
    /// The world time that ticks of walkers covered, in milliseconds.
    pub(crate) lived: AtomicU64,
    pub(crate) logins: AtomicUsize,
    pub(crate) logouts: AtomicUsize,
}

/// A door that tasks wait at, to keep a region busy for as long as a test likes.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn shut(&self) {
        self.state.lock().0 = true;
    }

    pub(crate) fn open(&self) {
        self.state.lock().0 = false;
        self.changed.notify_all();
    }

    /// Waits until somebody waits at the gate.
    pub(crate) fn until_held(&self) {
        let mut state = self.state.lock();
        while state.1 == 0 {
            assert!(
                !self
                    .changed
                    .wait_for(&mut state, Duration::from_secs(5))
                    .timed_out()
            );
        }
    }

    fn pass(&self) {
        let mut state = self.state.lock();
        state.1 += 1;
        self.changed.notify_all();
        while state.0 {
            assert!(
                !self
                    .changed
                    .wait_for(&mut state, Duration::from_secs(20))
                    .timed_out()
            );
        }
        state.1 -= 1;
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Walker {
    pub(crate) name: String,
    pub(crate) log: Vec<u64>,
    hidden: bool,
}

impl Object for Walker {
    const KIND: u16 = 1;
    const NAME: &'static str = "walker";
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Bug {
    /// Radians.
    heading: f64,
}

impl Object for Bug {
    const KIND: u16 = 2;
    const NAME: &'static str = "bug";
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Appends to the walker's log; answers its length.
    Log(u64),
    /// The walker's log.
    Read,
    /// The walker goes there at once.
    At(f64, f64),
    /// Sends so many events to oneself, numbered from the second on.
    Events(u64, u64),
    Hide(bool),
    Refuse,
    Panic,
    /// Waits at the gate.
    Hold,
    /// Moves an entity, wherever it is.
    Push(u64, f64, f64),
    /// Ends one's own session.
    Leave,
    /// All entities that can be seen: id, x and y in centimetres.
    Census,
    /// Logs a value so many milliseconds later.
    LogLater(u64, u64),
    /// Does all this with channels.
    Talk(Vec<Talk>),
    /// Has a thing that stands nowhere tell the time, every so many milliseconds.
    Tick(u64),
}

/// Something done with channels.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Talk {
    Join(String),
    Part(String),
    Say(String, String),
    /// Sends oneself an event.
    Event(u64),
    Refuse,
    Panic,
}

/// What is left for later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Job {
    /// The walker logs it.
    Log(u64),
    /// Tells a session the time.
    Tell(SessionId),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Input {
    Log(u64),
}

/// What the world was told of sessions, in order: kept in the world itself, so that it tells what
/// took effect and survives a crash with it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Book {
    pub(crate) lines: Vec<String>,
}

impl Object for Book {
    const KIND: u16 = 3;
    const NAME: &'static str = "book";
}

impl Book {
    const REF: Ref<Self> = Ref::keyed(1);

    fn write(task: &mut Task<'_>, what: &str, who: &Caller) -> Result<(), Stop> {
        task.update(Self::REF, |book| {
            book.lines.push(format!("{what} {}", who.name));
            Ok(())
        })
    }
}

impl Yard {
    fn me(who: &Caller) -> Result<Ref<Walker>, Stop> {
        who.you
            .map(Ref::new)
            .ok_or_else(|| Stop::refused("no walker"))
    }

    fn talk(task: &mut Task<'_>, who: &Caller, all: &[Talk]) -> Result<Vec<u64>, Stop> {
        for talk in all {
            match talk {
                Talk::Join(channel) => {
                    task.join(who.session, channel)?;
                }
                Talk::Part(channel) => {
                    task.leave(who.session, channel)?;
                }
                Talk::Say(channel, text) => {
                    task.publish(channel, Payload::new(text.clone()))?;
                }
                Talk::Event(value) => task.send(who.session, Payload::new(*value)),
                Talk::Refuse => return Err(Stop::refused("no")),
                Talk::Panic => panic!("told to"),
            }
        }
        Ok(vec![task.channels(who.session)?.len() as u64])
    }
}

impl World for Yard {
    const NAME: &'static str = "yard";
    type Command = Command;
    type Reply = Vec<u64>;
    type Input = Input;
    type Job = Job;
    type View = String;

    fn map(&self) -> Map {
        Map {
            shards: 16,
            ..Map::square(METRES)
        }
    }

    fn view_radius(&self) -> f64 {
        RADIUS
    }

    fn kinds(&self) -> Kinds {
        Kinds::new().with::<Walker>().with::<Bug>().with::<Book>()
    }

    fn genesis(&self, task: &mut Task<'_>) -> Result<(), Stop> {
        task.create_keyed(1, Book::default())?;
        let bugs = if self.crawl {
            // One in the middle of each cell.
            (METRES / Map::CELL).powi(2) as u32
        } else if self.bugs {
            BUGS
        } else {
            0
        };
        let middle = |n: f64| (n + 0.5) * Map::CELL;
        for n in 0..bugs {
            let side = (METRES / Map::CELL) as u32;
            let at = if self.crawl {
                Point::new(middle((n % side).into()), middle((n / side).into()))
            } else {
                Point::new(task.random().f64() * METRES, task.random().f64() * METRES)
            };
            task.create_at(
                Bug {
                    heading: f64::from(n),
                },
                at,
            )?;
        }
        Ok(())
    }

    fn login(&self, task: &mut Task<'_>, who: &Caller) -> Result<Option<ObjectId>, Stop> {
        if who.name == "nobody" {
            return Err(Stop::refused("nobody may not come in"));
        }
        Book::write(task, "login", who)?;
        self.logins.fetch_add(1, Ordering::SeqCst);
        let walker = Walker {
            name: who.name.clone(),
            ..Walker::default()
        };
        let id = task
            .create_at(walker, Point::new(METRES / 2.0, METRES / 2.0))?
            .id();
        task.bind(&format!("walkers/{}", who.name), id)?;
        task.send(who.session, Payload::new(0_u64));
        Ok(Some(id))
    }

    fn resume(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        Book::write(task, "resume", who)
    }

    fn away(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        Book::write(task, "away", who)
    }

    fn logout(&self, task: &mut Task<'_>, who: &Caller) -> Result<(), Stop> {
        Book::write(task, "logout", who)?;
        if who.name == "slow" {
            self.gate.pass();
        }
        task.unbind(&format!("walkers/{}", who.name))?;
        if let Some(you) = who.you {
            task.remove(you)?;
        }
        self.logouts.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn command(
        &self,
        task: &mut Task<'_>,
        who: &Caller,
        command: &Command,
    ) -> Result<Vec<u64>, Stop> {
        let me = Self::me(who)?;
        match command {
            Command::Log(value) => task.update(me, |walker| {
                walker.log.push(*value);
                Ok(vec![walker.log.len() as u64])
            }),
            Command::Read => task.read(me, |walker| walker.log.clone()),
            Command::At(x, y) => task.place(me.id(), Point::new(*x, *y)).map(|()| Vec::new()),
            Command::Events(count, first) => {
                (0..*count).for_each(|n| task.send(who.session, Payload::new(first + n)));
                Ok(Vec::new())
            }
            Command::Hide(hidden) => task.update(me, |walker| {
                walker.hidden = *hidden;
                Ok(Vec::new())
            }),
            Command::Refuse => Err(Stop::refused("no")),
            Command::Panic => panic!("told to"),
            Command::Hold => {
                self.gate.pass();
                Ok(Vec::new())
            }
            Command::Push(id, x, y) => {
                let id = ObjectId::from_raw(*id).ok_or_else(|| Stop::refused("no id"))?;
                task.place(id, Point::new(*x, *y)).map(|()| Vec::new())
            }
            Command::Leave => {
                task.close(who.session, "as you wish");
                Ok(Vec::new())
            }
            Command::LogLater(delay, value) => {
                let delay = Duration::from_millis(*delay);
                task.after(me, delay, &Job::Log(*value))?;
                Ok(Vec::new())
            }
            Command::Talk(all) => Self::talk(task, who, all),
            Command::Tick(period) => {
                let clock = task.create(Walker::default())?;
                let period = Duration::from_millis(*period);
                task.every(clock, period, &Job::Tell(who.session))?;
                Ok(vec![task.now()])
            }
            Command::Census => {
                let mut all = Vec::new();
                task.nearby(Point::new(METRES / 2.0, METRES / 2.0), METRES, |entity| {
                    if self.view(entity).is_some() {
                        let at = entity.at();
                        all.extend([entity.id().raw(), cm(at.x as f32), cm(at.y as f32)]);
                    }
                })?;
                Ok(all)
            }
        }
    }

    /// Forwards, alters ("shout" comes out loud, and is noted) or refuses ("hush", and numbers).
    fn publish(
        &self,
        task: &mut Task<'_>,
        who: &Caller,
        _: &str,
        message: &Message,
    ) -> Result<Payload, Stop> {
        let text: String = message.read()?;
        match text.as_str() {
            "hush" => Err(Stop::refused("quiet here")),
            "shout" => {
                task.update(Self::me(who)?, |walker| {
                    walker.log.push(1);
                    Ok(())
                })?;
                Ok(Payload::new(text.to_uppercase()))
            }
            _ => Ok(message.clone().into()),
        }
    }

    fn input(&self, task: &mut Task<'_>, who: &Caller, input: &Input) -> Result<(), Stop> {
        let Input::Log(value) = input;
        task.update(Self::me(who)?, |walker| {
            walker.log.push(*value);
            Ok(())
        })
    }

    fn job(&self, task: &mut Task<'_>, this: JobId, job: &Job) -> Result<(), Stop> {
        match job {
            Job::Log(value) => task.update(Ref::<Walker>::new(this.of()), |walker| {
                walker.log.push(*value);
                Ok(())
            }),
            Job::Tell(session) => {
                let now = task.now();
                task.send(*session, Payload::new(now));
                Ok(())
            }
        }
    }

    fn tick(&self, tick: &Tick<'_>, entity: Entity<'_>) -> Step {
        let Some(bug) = entity.get::<Bug>() else {
            let lived = (tick.seconds() * 1000.0).round() as u64;
            self.lived.fetch_add(lived, Ordering::SeqCst);
            let drag = self.drag.load(Ordering::SeqCst);
            if drag > 0 {
                std::thread::sleep(Duration::from_millis(drag));
            }
            return Step::Stay;
        };
        if self.frozen.load(Ordering::SeqCst) {
            return Step::Stay;
        }
        let at = entity.at();
        if self.crawl {
            let step = if tick.number().is_multiple_of(2) {
                0.5
            } else {
                -0.5
            };
            return Step::Go(Point::new(at.x + step, at.y));
        }
        let way = BUG_SPEED * tick.seconds();
        let to = Point::new(
            at.x + bug.heading.cos() * way,
            at.y + bug.heading.sin() * way,
        );
        let inside = |v: f64| (0.0..METRES).contains(&v);
        if inside(to.x) && inside(to.y) {
            Step::Go(to)
        } else {
            Step::become_(Bug {
                heading: tick.random(entity.id()).f64() * 6.3,
            })
        }
    }

    fn view(&self, entity: Entity<'_>) -> Option<String> {
        if let Some(walker) = entity.get::<Walker>() {
            return (!walker.hidden).then(|| format!("{} {}", walker.name, walker.log.len()));
        }
        entity.get::<Bug>().map(|_| "bug".to_owned())
    }
}

pub(crate) fn cm(metres: f32) -> u64 {
    (f64::from(metres) * 100.0).round() as u64
}

/// A host with a yard.
pub(crate) struct Host {
    pub(crate) runtime: Runtime<Yard>,
    pub(crate) engine: Engine,
    pub(crate) yard: Arc<Yard>,
}

pub(crate) fn settings() -> Settings {
    Settings {
        workers: 2,
        ..Settings::default()
    }
}

impl Host {
    pub(crate) async fn start(yard: Yard, settings: Settings) -> Self {
        let open = |yard: &Yard, options, post: Arc<Post>| Engine::in_memory(yard, options, post);
        Self::open(yard, settings, open).await
    }

    /// A host whose yard is kept in a folder. LMDB is written when asked to only, so that a copy of
    /// the folder is what a crash would leave.
    pub(crate) async fn start_in(folder: &Path, yard: Yard, settings: Settings) -> Self {
        let open = |yard: &Yard, options: Options, post: Arc<Post>| {
            let options = Options {
                checkpoint_interval: Duration::from_hours(1),
                store_bytes: 16 << 20,
                events_kept: settings.events_kept,
                ..options
            };
            Engine::open(folder, yard, options, post)
        };
        Self::open(yard, settings.clone(), open).await
    }

    async fn open(
        yard: Yard,
        settings: Settings,
        open: impl FnOnce(&Yard, Options, Arc<Post>) -> Result<Engine, OpenError>,
    ) -> Self {
        let (yard, post) = (Arc::new(yard), Post::new());
        let options = Options {
            regions: 9,
            task_budget: Duration::from_secs(30),
            ..Options::default()
        };
        let engine = open(&yard, options, Arc::clone(&post)).unwrap();
        let runtime = Runtime::start(engine.clone(), Arc::clone(&yard), post, settings).unwrap();
        until(|| runtime.ready()).await;
        Self {
            runtime,
            engine,
            yard,
        }
    }

    /// What the world was told of a session.
    pub(crate) fn book_of(&self, name: &str) -> Vec<String> {
        let call = Call {
            kind: "test",
            class: Class::Durable,
            origin: &"a test",
        };
        let mut lines = Vec::new();
        self.engine.worker().execute(
            call,
            |task| task.read(Book::REF, |book| book.lines.clone()),
            |done| {
                if let Done::Committed(all) = done {
                    lines = all;
                }
                None
            },
        );
        let end = format!(" {name}");
        let of = lines.iter().filter_map(|line| line.strip_suffix(&end));
        of.map(str::to_owned).collect()
    }

    /// The numbers of the events that are kept on disk for a session.
    pub(crate) fn saved_events(&self, name: &str) -> Vec<u64> {
        let sessions = self.engine.sessions().unwrap();
        let of = sessions.iter().find(|saved| saved.record.name == name);
        of.map_or_else(Vec::new, |saved| {
            saved.events.iter().map(|(n, _)| *n).collect()
        })
    }

    /// Waits until the world was told just this of a session.
    pub(crate) async fn told_of(&self, name: &str, lines: &[&str]) {
        until(|| self.book_of(name).len() >= lines.len()).await;
        assert_eq!(self.book_of(name), lines);
    }

    /// A place whose region runs on another worker than that of the middle, where walkers begin.
    pub(crate) fn point_of_another_worker(&self) -> Point {
        let (map, regions) = (self.yard.map(), self.runtime.status().regions);
        let worker = |at: Point| {
            let cell = map.cell_at(at).0;
            regions
                .iter()
                .find(|region| (region.from..region.to).contains(&cell))
                .unwrap()
                .worker
        };
        let middle = worker(Point::new(METRES / 2.0, METRES / 2.0));
        let places = (0..8).map(|n| Point::new(f64::from(n).mul_add(32.0, 16.0), 16.0));
        places.into_iter().find(|at| worker(*at) != middle).unwrap()
    }

    pub(crate) async fn stop(self) {
        self.runtime.drain(Duration::from_secs(5)).await.unwrap();
        assert!(!self.runtime.ready());
        self.engine.close();
    }
}

/// Runs a test in an actix system.
pub(crate) fn run(test: impl Future<Output = ()>) {
    actix_rt::System::new().block_on(test);
}

/// Waits for something that happens on other threads; fails after ten seconds.
pub(crate) async fn until(mut happened: impl FnMut() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(2));
    for _ in 0..5000 {
        if happened() {
            return;
        }
        look.tick().await;
    }
    panic!("it did not happen");
}

/// Runs `act` on a thread of its own, as another socket thread does.
pub(crate) async fn elsewhere<F, R>(act: impl FnOnce() -> F + Send + 'static) -> R
where
    F: Future<Output = R> + 'static,
    R: Send + 'static,
{
    let (sender, result) = tokio::sync::oneshot::channel();
    let arbiter = actix_rt::Arbiter::new();
    let spawned = arbiter.spawn_fn(move || {
        actix_rt::spawn(async move {
            assert!(sender.send(act().await).is_ok());
        });
    });
    assert!(spawned);
    result.await.expect("the other thread's part went well")
}

pub(crate) type Positions = HashMap<u64, (u64, u64)>;

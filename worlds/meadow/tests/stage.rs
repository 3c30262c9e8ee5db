//! Lives here: `check`, which plays a scene line by line on the real engine, and the stage it is
//! played on. Not here: any scene (`rules`, `invariants`).
//!
//! A line is an action, `->`, and what comes of it:
//!
//! | action | what comes of it |
//! |---|---|
//! | `ann at 100 100` | logs in if she has not, and is put there by the stage's hand |
//! | `ann enters`, `ann leaves` | logs in, logs out |
//! | `coin c of 3 at 101 100`, `mushroom m at 5 5`, `sheep s at 5 5`, `wolf w at 5 5` | makes one, called `@c` |
//! | `ann {"pick": @c}` | sends the command; the reply, or why not |
//! | `ann {"drop": {"gold": 1}} as d` | the same; the id in the reply is called `@d` from now on |
//! | `ann steers {"go": [5, 5]}` | sends the input |
//! | `ann hears` | the events since she last listened |
//! | `ann publishes "hi"` | says it to all |
//! | `all hear` | what was said to all since this was last asked |
//! | `wait 2` | seconds pass, 20 ticks each |
//! | `near ann` | what can be seen within 20 m of her |
//! | `ann loses-touch` | her client is away for now |
//! | `census` | asks for the census, as nobody's command |
//!
//! Nothing behind `->`, or no `->` at all, means `ok`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use meadow::{Coin, Meadow, Mushroom, Player, Sheep, WORLD, Wolf};
use uuid::Uuid;
use world_data::{
    Call, Caller, Class, Done, Effect, EffectSink, Engine, ObjectId, Options, Point, Ref,
    SessionId, Stop, Task, Worker, World,
};

const TICKS_PER_SECOND: u64 = 20;

/// Plays a scene and compares what came of each line.
#[track_caller]
pub(crate) fn check(scene: &str) {
    let mut stage = Stage::new(Meadow::bare(), 16);
    let (mut wanted, mut got) = (Vec::new(), Vec::new());
    for line in scene.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (action, outcome) = line.split_once("->").unwrap_or((line, "ok"));
        let (action, outcome) = (action.trim(), outcome.trim());
        wanted.push(format!("{action} -> {outcome}"));
        got.push(format!("{action} -> {}", stage.play(action)));
    }
    assert_eq!(
        got.join("\n"),
        wanted.join("\n"),
        "what came of it (left), and what should (right)"
    );
}

/// Keeps the events that sessions are sent.
#[derive(Default)]
struct Ears {
    events: Mutex<Vec<(SessionId, String)>>,
    said: Mutex<Vec<String>>,
}

impl EffectSink for Ears {
    fn deliver(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Event {
                    session, payload, ..
                } => {
                    let text = serde_json::to_string(&payload).unwrap();
                    self.events.lock().unwrap().push((session, text));
                }
                // Without a number nobody is there to hear it.
                Effect::Said { number, said, .. } if number > 0 => {
                    let payload = serde_json::to_string(&said.payload).unwrap();
                    let from = said.from.map_or(0, ObjectId::raw);
                    let text = format!("{} {from} {payload}", said.channel);
                    self.said.lock().unwrap().push(text);
                }
                _ => {}
            }
        }
    }
}

/// A meadow in memory, and who is in it.
pub(crate) struct Stage {
    world: Meadow,
    engine: Engine,
    worker: Worker,
    ears: Arc<Ears>,
    callers: BTreeMap<String, Caller>,
    names: BTreeMap<String, ObjectId>,
    ticks: u64,
}

impl Stage {
    pub(crate) fn new(world: Meadow, regions: usize) -> Self {
        let ears = Arc::new(Ears::default());
        let sink: Arc<dyn EffectSink> = Arc::<Ears>::clone(&ears);
        let options = Options {
            regions,
            ..Options::default()
        };
        let engine = Engine::in_memory(&world, options, sink).unwrap();
        let worker = engine.worker();
        let (callers, names) = (BTreeMap::new(), BTreeMap::new());
        Self {
            world,
            engine,
            worker,
            ears,
            callers,
            names,
            ticks: 0,
        }
    }

    /// Runs any task to its end.
    pub(crate) fn task<R>(
        &mut self,
        mut body: impl FnMut(&Meadow, &mut Task<'_>) -> Result<R, Stop>,
    ) -> Result<R, String> {
        let call = Call {
            kind: "command",
            class: Class::Durable,
            origin: &"a test",
        };
        let mut result = None;
        let world = &self.world;
        let conclude = |done| {
            result = Some(match done {
                Done::Committed(value) => Ok(value),
                Done::Ended(fault, message) => Err(format!("{fault:?} {message}").to_lowercase()),
            });
            None
        };
        self.worker
            .execute(call, |task| body(world, task), conclude);
        result.unwrap()
    }

    /// Plays one line; returns what came of it.
    pub(crate) fn play(&mut self, action: &str) -> String {
        let words: Vec<&str> = action.split_whitespace().collect();
        match words[..] {
            ["census"] => self.census(),
            [who, "loses-touch"] => self.lose_touch(who),
            ["wait", seconds] => self.wait(seconds.parse().unwrap()),
            ["coin", name, "of", gold, "at", x, y] => {
                let gold = gold.parse().unwrap();
                self.make(name, at(x, y), |task, at| {
                    Ok(task.create_at(Coin { gold }, at)?.id())
                })
            }
            ["mushroom", name, "at", x, y] => self.make(name, at(x, y), |task, at| {
                Ok(task.create_at(Mushroom::default(), at)?.id())
            }),
            ["sheep", name, "at", x, y] => self.make(name, at(x, y), |task, at| {
                Ok(task.create_at(Sheep::default(), at)?.id())
            }),
            ["wolf", name, "at", x, y] => self.make(name, at(x, y), |task, at| {
                Ok(task.create_at(Wolf::default(), at)?.id())
            }),
            ["near", who] => self.near(who),
            ["all", "hear"] => self.all_hear(),
            [who, "publishes", ..] => {
                self.publish(who, action.split_once("publishes").unwrap().1.trim())
            }
            [who, "at", x, y] => self.put(who, at(x, y)),
            [who, "enters"] => self.enter(who),
            [who, "leaves"] => self.leave(who),
            [who, "hears"] => self.hear(who),
            [who, "steers", ..] => self.steer(who, action.split_once("steers").unwrap().1),
            [who, .., "as", name] => {
                let text = action.rsplit_once(" as ").unwrap().0;
                self.command(who, text.split_once(' ').unwrap().1, Some(name))
            }
            [who, ..] => self.command(who, action.split_once(' ').unwrap().1, None),
            [] => unreachable!("empty lines are left out"),
        }
    }

    fn make(
        &mut self,
        name: &str,
        at: Point,
        make: impl Fn(&mut Task<'_>, Point) -> Result<ObjectId, Stop>,
    ) -> String {
        let id = self.task(|_, task| make(task, at)).unwrap();
        self.names.insert(name.to_owned(), id);
        "ok".to_owned()
    }

    fn put(&mut self, who: &str, at: Point) -> String {
        if !self.callers.contains_key(who) {
            self.enter(who);
        }
        let id = self.names[who];
        outcome(self.task(|_, task| task.place(id, at)))
    }

    fn enter(&mut self, who: &str) -> String {
        let session = SessionId(Uuid::new_v4());
        let mut caller = Caller {
            session,
            name: who.to_owned(),
            you: None,
        };
        let call = Call {
            kind: "login",
            class: Class::Durable,
            origin: &"a test",
        };
        let world = &self.world;
        let mut you = None;
        self.worker.execute(
            call,
            |task| world.login(task, &caller),
            |done| match done {
                Done::Committed(entity) => {
                    you = entity;
                    Some(Effect::LoggedIn {
                        session,
                        name: who.into(),
                        you,
                    })
                }
                Done::Ended(..) => None,
            },
        );
        caller.you = you;
        self.names.insert(who.to_owned(), you.unwrap());
        self.callers.insert(who.to_owned(), caller);
        "ok".to_owned()
    }

    fn leave(&mut self, who: &str) -> String {
        let caller = self.callers.remove(who).unwrap();
        outcome(self.task(|world, task| world.logout(task, &caller)))
    }

    fn lose_touch(&mut self, who: &str) -> String {
        let caller = self.callers[who].clone();
        outcome(self.task(|world, task| world.away(task, &caller)))
    }

    fn hear(&mut self, who: &str) -> String {
        let session = self.callers[who].session;
        let mut heard = Vec::new();
        self.ears.events.lock().unwrap().retain(|(to, text)| {
            let mine = *to == session;
            if mine {
                heard.push(text.clone());
            }
            !mine
        });
        if heard.is_empty() {
            "nothing".to_owned()
        } else {
            self.named(&heard.join(" "))
        }
    }

    /// As the server does it: a member's words, as the world will have them.
    fn publish(&mut self, who: &str, text: &str) -> String {
        let caller = self.callers[who].clone();
        let message = serde_json::from_str(text).unwrap();
        outcome(self.task(|world, task| {
            assert!(task.is_member(caller.session, WORLD)?);
            let payload = world.publish(task, &caller, WORLD, &message)?;
            task.publish_from(WORLD, caller.you, payload)
        }))
    }

    fn all_hear(&self) -> String {
        let said = std::mem::take(&mut *self.ears.said.lock().unwrap());
        self.named(&said.join(" "))
    }

    fn steer(&mut self, who: &str, text: &str) -> String {
        let caller = self.callers[who].clone();
        let input = serde_json::from_str(text.trim()).unwrap();
        outcome(self.task(|world, task| world.input(task, &caller, &input)))
    }

    fn command(&mut self, who: &str, text: &str, name: Option<&str>) -> String {
        let caller = self.callers[who].clone();
        let mut text = text.to_owned();
        for (name, id) in self.names.iter().rev() {
            text = text.replace(&format!("@{name}"), &id.raw().to_string());
        }
        let command = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let mut reply = match self.task(|world, task| world.command(task, &caller, &command)) {
            Ok(reply) => serde_json::to_value(reply).unwrap(),
            Err(message) => return message,
        };
        // To the millimetre: steps of a walk do not add up exactly.
        for metres in reply
            .get_mut("at")
            .and_then(|at| at.as_array_mut())
            .into_iter()
            .flatten()
        {
            *metres = ((metres.as_f64().unwrap() * 1000.0).round() / 1000.0).into();
        }
        if let Some(name) = name {
            let id = ObjectId::from_raw(reply["id"].as_u64().unwrap()).unwrap();
            self.names.insert(name.to_owned(), id);
        }
        self.named(&reply.to_string())
    }

    fn census(&mut self) -> String {
        let (session, name) = (SessionId(Uuid::nil()), String::new());
        // Any player's command is the same census.
        let you = self.names.values().next().copied();
        let caller = Caller { session, name, you };
        let command = meadow::Command::Census;
        let reply = self
            .task(|world, task| world.command(task, &caller, &command))
            .unwrap();
        serde_json::to_string(&reply).unwrap()
    }

    fn near(&mut self, who: &str) -> String {
        let id = self.names[who];
        let mut seen = self
            .task(|world, task| {
                let (middle, mut seen) = (task.position(id)?, Vec::new());
                task.nearby(middle, 20.0, |entity| seen.extend(world.view(entity)))?;
                Ok(seen)
            })
            .unwrap();
        seen.sort_by_key(|view| format!("{view:?}"));
        serde_json::to_string(&seen).unwrap()
    }

    fn wait(&mut self, seconds: u64) -> String {
        for _ in 0..seconds * TICKS_PER_SECOND {
            self.tick();
            self.do_jobs();
        }
        "ok".to_owned()
    }

    /// Gives the jobs that are due their turns.
    fn do_jobs(&mut self) {
        let world = &self.world;
        while let Some(region) = self.engine.due().first() {
            self.worker.run_job(
                *region,
                |task, this, job| world.job(task, this, job),
                |_, done| assert!(matches!(done, Done::Committed(())), "{done:?}"),
            );
        }
    }

    /// One tick of every region, all in step: each sees the others as they stood before it.
    pub(crate) fn tick(&mut self) {
        self.ticks += 1;
        self.engine
            .clock()
            .advance(self.ticks * 1000 / TICKS_PER_SECOND);
        let seconds = 1.0 / TICKS_PER_SECOND as f64;
        let list = &self.engine.regions().list;
        for (region, _) in list {
            self.worker.show(*region);
        }
        let mut begun = Vec::new();
        for (region, _) in list {
            let (worker, number) = (&mut self.worker, self.ticks);
            begun.push(worker.begin_tick(*region, &self.world, number, seconds));
        }
        for begun in begun {
            self.worker.end_tick(begun.unwrap());
        }
    }

    /// One tick of every region as a server does it, one after the other.
    pub(crate) fn tick_by_turns(&mut self) {
        self.ticks += 1;
        self.engine
            .clock()
            .advance(self.ticks * 1000 / TICKS_PER_SECOND);
        let seconds = 1.0 / TICKS_PER_SECOND as f64;
        for (region, _) in &self.engine.regions().list {
            self.worker
                .tick(*region, &self.world, self.ticks, seconds)
                .unwrap();
        }
    }

    /// Where somebody or something stands.
    pub(crate) fn position(&mut self, name: &str) -> Point {
        let id = self.names[name];
        self.task(|_, task| task.position(id)).unwrap()
    }

    /// What another thread needs to act as a player: the engine, and who the player is.
    pub(crate) fn understudy(&self, who: &str) -> (Engine, Caller) {
        (self.engine.clone(), self.callers[who].clone())
    }

    /// The id of somebody or something.
    pub(crate) fn id(&self, name: &str) -> ObjectId {
        self.names[name]
    }

    /// What is in a player's purse.
    pub(crate) fn purse(&mut self, name: &str) -> u64 {
        let player = Ref::<Player>::new(self.names[name]);
        self.task(|_, task| task.read(player, |player| player.gold))
            .unwrap()
    }

    /// Writes names for ids.
    fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, id) in &self.names {
            text = text.replace(&id.raw().to_string(), &format!("@{name}"));
        }
        text
    }
}

fn at(x: &str, y: &str) -> Point {
    Point::new(x.parse().unwrap(), y.parse().unwrap())
}

fn outcome(result: Result<(), String>) -> String {
    result.map_or_else(|message| message, |()| "ok".to_owned())
}

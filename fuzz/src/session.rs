//! Lives here: what must hold for any sequence of a client's messages, sockets and logins: the
//! session is always where a small model says it is.
//! Not here: the world it plays in (`diary`), bytes of messages (`protocol`), crashes (the campaigns
//! of `worlds/`).
//!
//! The bytes are a script: each one or two are a step. Every step's answers are compared with the
//! model, and in the end the diary must hold what was written, in order, once.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::protocol::{ClientMessage, Codec, ErrorCode, Incoming as Heard, ServerMessage, Welcome};
use actors::{Cause, Entry, Hub, Incoming, Link, Outgoing, Post, Refusal, Runtime, Settings};
use tokio::time::timeout;
use world_data::{Engine, Options};

use crate::diary::{Command, Diary, Input, Reply};

/// Nothing takes longer, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Steps of one script; longer ones find nothing that shorter ones don't.
const MOST_STEPS: usize = 200;
/// Outcomes that a session keeps.
const OUTCOMES: u64 = 64;

type Answer = Result<Reply, (ErrorCode, String)>;

/// The host that all scripts of this thread are played on.
struct Stage {
    system: actix_rt::SystemRunner,
    runtime: Runtime<Diary>,
}

thread_local! {
    static STAGE: OnceCell<Stage> = const { OnceCell::new() };
}

/// Numbers the scripts of a process, so that each has an account of its own.
static SCRIPTS: AtomicU64 = AtomicU64::new(0);

/// Plays the bytes as a script.
pub fn run(bytes: &[u8]) {
    STAGE.with(|stage| {
        let stage = stage.get_or_init(Stage::new);
        let name = format!("script-{}", SCRIPTS.fetch_add(1, Ordering::Relaxed));
        stage.system.block_on(async {
            let mut player = Player::log_in(stage.runtime.hub(), name).await;
            let mut script = bytes.iter().copied();
            for _ in 0..MOST_STEPS {
                let Some(step) = script.next() else { break };
                player.step(step, script.next().unwrap_or_default()).await;
            }
            player.finish().await;
        });
    });
}

impl Stage {
    fn new() -> Self {
        let system = actix_rt::System::new();
        let runtime = system.block_on(async {
            let (world, post) = (Arc::new(Diary), Post::new());
            let options = Options {
                regions: 2,
                // However slow a sanitizer makes it.
                task_budget: PATIENCE,
                ..Options::default()
            };
            let settings = Settings {
                workers: 1,
                commands_per_second: 1_000_000,
                inputs_per_second: 1_000_000,
                publishes_per_second: 1_000_000,
                ..Settings::default()
            };
            let engine = Engine::in_memory(&*world, options, Arc::<Post>::clone(&post));
            let engine = engine.expect("a diary opens");
            let runtime = Runtime::start(engine, world, post, settings).expect("threads");
            runtime.started().await;
            runtime
        });
        Self { system, runtime }
    }
}

/// The model, and the socket that is compared with it.
struct Player {
    hub: Hub<Diary>,
    name: String,
    link: Link<Diary>,
    codec: Codec,
    token: String,
    used: Vec<String>,
    /// Answers so far, since commands count from 1.
    answers: Vec<Answer>,
    /// Events heard and told, since events count from 1.
    heard: u64,
    told: u64,
    /// What the diary must hold.
    pages: Vec<u64>,
    note: u64,
    inputs: u64,
}

impl Player {
    async fn log_in(hub: Hub<Diary>, name: String) -> Self {
        let codec = Codec::MessagePack;
        let entry = entry(Some(&name), None, codec);
        let (link, welcome) = enter(&hub, entry, codec).await.expect("a login");
        assert_eq!((welcome.resumed, welcome.last_command), (false, 0));
        Self {
            hub,
            name,
            link,
            codec,
            token: welcome.resume,
            used: Vec::new(),
            answers: Vec::new(),
            heard: 0,
            told: 0,
            pages: Vec::new(),
            note: 0,
            inputs: 0,
        }
    }

    async fn step(&mut self, step: u8, value: u8) {
        let value = u64::from(value);
        match step % 14 {
            0 | 1 => self.ask(Command::Write(value)).await,
            2 => self.ask(Command::Refuse).await,
            3 => self.ask(Command::Tell(value % 8)).await,
            4 => self.ask(Command::Read).await,
            5 => self.ask_again(value).await,
            6 => self.skip_ahead(value).await,
            7 => self.steer(value).await,
            8 => self.acknowledge(value).await,
            9 => self.ping(value).await,
            10 => self.resume(value).await,
            11 => self.resume_wrongly(value).await,
            12 => self.take_over(value).await,
            _ => self.leave_and_return().await,
        }
    }

    fn done(&self) -> u64 {
        self.answers.len() as u64
    }

    async fn say(&self, message: Incoming<Diary>) -> Result<(), Refusal> {
        let taken = timeout(PATIENCE, self.link.receive(message)).await;
        taken.expect("a message is taken")
    }

    /// Sends the next command and checks what it is answered.
    async fn ask(&mut self, payload: Command) {
        let expected = match &payload {
            Command::Write(page) => {
                self.pages.push(*page);
                Ok(Reply::Pages(self.pages.len() as u64))
            }
            Command::Refuse => Err((ErrorCode::Refused, "no".to_owned())),
            Command::Tell(events) => {
                self.told += events;
                Ok(Reply::Pages(*events))
            }
            Command::Read => Ok(Reply::All(self.pages.clone(), self.note)),
        };
        let seq = self.done() + 1;
        let taken = self.say(ClientMessage::Command { seq, payload }).await;
        taken.expect("the next command is taken");
        assert_eq!(self.answer(seq).await, expected, "command {seq}");
        self.answers.push(expected);
    }

    /// Sends a command whose number is done: it is answered from the record, whatever it says.
    async fn ask_again(&mut self, value: u64) {
        let kept = self.done().min(OUTCOMES);
        if kept == 0 {
            return;
        }
        let seq = self.done() - value % kept;
        let payload = Command::Write(value);
        let taken = self.say(ClientMessage::Command { seq, payload }).await;
        taken.expect("a command that is done is taken");
        let answer = self.answer(seq).await;
        assert_eq!(answer, self.answers[seq as usize - 1], "again {seq}");
    }

    /// Sends a command whose number is too high: that costs the socket, and nothing else.
    async fn skip_ahead(&mut self, value: u64) {
        let seq = self.done() + 2 + value;
        let payload = Command::Write(value);
        let refused = self.say(ClientMessage::Command { seq, payload }).await;
        let refusal = refused.expect_err("a number that skips ahead");
        assert_eq!(refusal.code, ErrorCode::BadMessage);
        self.closed(Some(ErrorCode::BadMessage)).await;
        self.resume(value).await;
    }

    async fn steer(&mut self, value: u64) {
        self.inputs += 1;
        self.note = value;
        let input = ClientMessage::Input {
            seq: self.inputs,
            payload: Input::Note(value),
        };
        self.say(input).await.expect("an input is taken");
    }

    /// Acknowledges some of what was heard.
    async fn acknowledge(&mut self, value: u64) {
        let heard = ClientMessage::Ack(value % (self.heard + 1));
        self.say(heard).await.expect("an acknowledgement is taken");
    }

    async fn ping(&mut self, nonce: u64) {
        let taken = self.say(ClientMessage::Ping(nonce)).await;
        taken.expect("a ping is taken");
        loop {
            match self.next().await {
                Next::Message(ServerMessage::Pong { nonce: back, .. }) => {
                    assert_eq!(back, nonce);
                    return;
                }
                other => self.pass(other),
            }
        }
    }

    /// Drops the socket and resumes the session on another.
    async fn resume(&mut self, value: u64) {
        self.link.closed(Cause::Closed);
        let codec = [Codec::MessagePack, Codec::Json][value as usize % 2];
        let mut entry = entry(None, Some(&self.token), codec);
        entry.last = Some(self.heard);
        let entered = enter(&self.hub, entry, codec).await;
        let (link, welcome) = entered.expect("a token that was not used");
        assert!(welcome.resumed);
        assert_eq!(welcome.last_command, self.done());
        self.arrive(link, welcome, codec);
    }

    fn arrive(&mut self, link: Link<Diary>, welcome: Welcome, codec: Codec) {
        assert_ne!(welcome.resume, self.token, "a token is good once");
        let used = std::mem::replace(&mut self.token, welcome.resume);
        self.used.push(used);
        (self.link, self.codec) = (link, codec);
    }

    /// Tries to resume by a token that was used, or is none.
    async fn resume_wrongly(&mut self, value: u64) {
        let token = match self.used.get(value as usize % (self.used.len() + 1)) {
            Some(used) => used.clone(),
            None => format!("{}{value}", &self.token[1..]),
        };
        let entry = entry(None, Some(&token), self.codec);
        let Err(refusal) = enter(&self.hub, entry, self.codec).await else {
            panic!("{token} lets somebody in");
        };
        assert_eq!(refusal.code, ErrorCode::BadLogin);
    }

    /// Logs in a second time, with the first socket still there or gone.
    async fn take_over(&mut self, value: u64) {
        let was_there = value.is_multiple_of(2);
        if !was_there {
            self.link.closed(Cause::Closed);
        }
        let codec = [Codec::MessagePack, Codec::Json][value as usize / 2 % 2];
        let again = entry(Some(&self.name), None, codec);
        let entered = enter(&self.hub, again, codec).await;
        let (link, welcome) = entered.expect("a second login");
        assert_eq!((welcome.resumed, welcome.last_command), (false, 0));
        if was_there {
            self.closed(Some(ErrorCode::TakenOver)).await;
        }
        self.begin_anew();
        self.arrive(link, welcome, codec);
    }

    fn begin_anew(&mut self) {
        self.answers.clear();
        (self.heard, self.told) = (0, 0);
    }

    async fn leave_and_return(&mut self) {
        self.say(ClientMessage::Bye).await.expect("bye is taken");
        self.closed(None).await;
        self.link.closed(Cause::Bye);
        let again = entry(Some(&self.name), None, self.codec);
        let entered = enter(&self.hub, again, self.codec).await;
        let (link, welcome) = entered.expect("another login");
        assert_eq!((welcome.resumed, welcome.last_command), (false, 0));
        self.begin_anew();
        self.pages.clear();
        (self.note, self.inputs) = (0, 0);
        let codec = self.codec;
        self.arrive(link, welcome, codec);
    }

    async fn finish(mut self) {
        self.ask(Command::Read).await;
        self.say(ClientMessage::Bye).await.expect("bye is taken");
        self.closed(None).await;
        self.link.closed(Cause::Bye);
    }

    /// Reads until the answer to command `seq`.
    async fn answer(&mut self, seq: u64) -> Answer {
        loop {
            match self.next().await {
                Next::Message(ServerMessage::Reply { seq: n, outcome }) => {
                    assert_eq!(n, seq);
                    let reply = |payload: ::protocol::RawPayload| payload.decode::<Reply>();
                    return match outcome {
                        Ok(payload) => Ok(reply(payload).expect("a reply of this world")),
                        Err(error) => Err((error.code, error.message)),
                    };
                }
                other => self.pass(other),
            }
        }
    }

    /// Reads to the end of the socket, which must be this.
    async fn closed(&mut self, why: Option<ErrorCode>) {
        loop {
            match self.next().await {
                Next::Closed(code) => return assert_eq!(code, why),
                other @ Next::Message(_) => self.pass(other),
            }
        }
    }

    /// What may come at any time: events, in order and once.
    fn pass(&mut self, next: Next) {
        match next {
            Next::Message(ServerMessage::Event { n, .. }) => {
                assert_eq!(n, self.heard + 1, "events come in order, once");
                assert!(n <= self.told, "event {n} of {}", self.told);
                self.heard = n;
            }
            Next::Closed(code) => panic!("the socket ended: {code:?}"),
            Next::Message(other) => panic!("unexpected {other:?}"),
        }
    }

    async fn next(&self) -> Next {
        next(&self.link, self.codec).await
    }
}

enum Next {
    Message(ServerMessage<::protocol::RawPayload>),
    Closed(Option<ErrorCode>),
}

async fn next(link: &Link<Diary>, codec: Codec) -> Next {
    loop {
        let outgoing = timeout(PATIENCE, link.next()).await;
        match outgoing.expect("something to hear") {
            Outgoing::Message(message) => {
                let bytes = message.encode(codec).expect("a message is written");
                match Heard::decode(codec, bytes).expect("and read") {
                    Heard::Message(message) => return Next::Message(message),
                    Heard::Frame(_) => {}
                }
            }
            Outgoing::Frame(_) | Outgoing::Channel(..) => {}
            Outgoing::Close(why) => return Next::Closed(why.map(|why| why.code)),
        }
    }
}

async fn enter(
    hub: &Hub<Diary>,
    entry: Entry,
    codec: Codec,
) -> Result<(Link<Diary>, Welcome), Refusal> {
    let entered = timeout(PATIENCE, hub.enter(entry)).await;
    let link = entered.expect("a login is answered")?;
    match next(&link, codec).await {
        Next::Message(ServerMessage::Welcome(welcome)) => Ok((link, welcome)),
        Next::Message(other) => panic!("{other:?} instead of a welcome"),
        Next::Closed(code) => panic!("{code:?} instead of a welcome"),
    }
}

fn entry(name: Option<&str>, token: Option<&str>, codec: Codec) -> Entry {
    Entry {
        name: name.map(str::to_owned),
        resume: token.map(str::to_owned),
        last: None,
        codec,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

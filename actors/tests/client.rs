//! Lives here: a client that speaks to a link as the gateway does, through real bytes, and keeps
//! what a real one would know.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use actors::{Entry, Link, Outgoing, Refusal};
use bytes::Bytes;
use protocol::{ClientMessage, Codec, ErrorCode, Frame, ServerMessage, Welcome};
use tokio::time::timeout;

use crate::yard::{Command, Host, Input, Positions, Yard, cm};

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) type Answer = Result<Vec<u64>, (ErrorCode, String)>;

/// The socket was closed, and this is why; after `bye` there is no reason.
#[derive(Debug, Clone)]
pub(crate) struct Closed(Option<Refusal>);

/// What a client knows of an entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) cell: u64,
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) view: String,
}

pub(crate) struct Client {
    pub(crate) link: Link<Yard>,
    pub(crate) welcome: Welcome,
    codec: Codec,
    seq: u64,
    frame: Frame,
    pub(crate) answers: VecDeque<(u64, Answer)>,
    pub(crate) events: Vec<(u64, u64)>,
    pub(crate) cells: BTreeSet<u64>,
    pub(crate) entities: HashMap<u64, Known>,
    /// Entities that were forgotten because they went to a cell not in view, by that cell.
    pub(crate) strayed: BTreeMap<u64, u64>,
    pub(crate) frames: u64,
    pub(crate) fulls: u64,
    pub(crate) input_seq: u64,
    pub(crate) closed: Option<Closed>,
}

pub(crate) fn entry(name: &str, codec: Codec) -> Entry {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Entry {
        name: Some(name.to_owned()),
        resume: None,
        last: None,
        codec,
        peer,
    }
}

pub(crate) fn resume(token: &str, last: u64) -> Entry {
    let mut entry = entry("", Codec::MessagePack);
    (entry.name, entry.resume, entry.last) = (None, Some(token.to_owned()), Some(last));
    entry
}

impl Client {
    pub(crate) async fn login(host: &Host, name: &str) -> Self {
        Self::enter(&host.runtime, entry(name, Codec::MessagePack))
            .await
            .unwrap()
    }

    pub(crate) async fn enter(
        runtime: &actors::Runtime<Yard>,
        entry: Entry,
    ) -> Result<Self, Refusal> {
        let codec = entry.codec;
        let link = timeout(PATIENCE, runtime.hub().enter(entry))
            .await
            .expect("in time")?;
        let welcome = match next(&link, codec).await {
            Next::Message(ServerMessage::Welcome(welcome)) => welcome,
            other => panic!("no welcome but {other:?}"),
        };
        let seq = welcome.last_command;
        Ok(Self {
            link,
            welcome,
            codec,
            seq,
            frame: Frame::default(),
            answers: VecDeque::new(),
            events: Vec::new(),
            cells: BTreeSet::new(),
            entities: HashMap::new(),
            strayed: BTreeMap::new(),
            frames: 0,
            fulls: 0,
            input_seq: 0,
            closed: None,
        })
    }

    /// Sends the next command; returns its number.
    pub(crate) async fn send(&mut self, command: Command) -> u64 {
        self.seq += 1;
        self.send_as(self.seq, command).await.unwrap();
        self.seq
    }

    pub(crate) async fn send_as(&self, seq: u64, payload: Command) -> Result<(), Refusal> {
        self.say(ClientMessage::Command { seq, payload }).await
    }

    pub(crate) async fn input(&self, seq: u64, payload: Input) {
        self.say(ClientMessage::Input { seq, payload })
            .await
            .unwrap();
    }

    pub(crate) async fn say(&self, message: actors::Incoming<Yard>) -> Result<(), Refusal> {
        timeout(PATIENCE, self.link.receive(message))
            .await
            .expect("taken in time")
    }

    /// Sends a command and waits for what comes of it.
    pub(crate) async fn ask(&mut self, command: Command) -> Answer {
        let seq = self.send(command).await;
        self.answer(seq).await
    }

    /// Waits for the next answer, which must be to command `seq`.
    pub(crate) async fn answer(&mut self, seq: u64) -> Answer {
        while self.answers.is_empty() {
            assert!(self.closed.is_none(), "closed: {:?}", self.closed);
            self.step().await;
        }
        let (answered, answer) = self.answers.pop_front().unwrap();
        assert_eq!(answered, seq);
        answer
    }

    /// Reads until the socket is closed; returns why.
    pub(crate) async fn end(&mut self) -> Option<Refusal> {
        while self.closed.is_none() {
            self.step().await;
        }
        self.closed.clone().and_then(|Closed(why)| why)
    }

    /// Reads until `happened`.
    pub(crate) async fn until(&mut self, happened: impl Fn(&Self) -> bool) {
        let limit = tokio::time::Instant::now() + PATIENCE;
        while !happened(self) {
            assert!(tokio::time::Instant::now() < limit, "it did not happen");
            self.step().await;
        }
    }

    /// Reads until `happened`, which it must soon: long before a refresh of all cells would heal
    /// what the changes left wrong.
    pub(crate) async fn soon(&mut self, happened: impl Fn(&Self) -> bool) {
        let limit = self.frames + 20;
        while !happened(self) {
            assert!(self.frames < limit, "it did not happen within 20 frames");
            self.step().await;
        }
    }

    /// Reads one message.
    pub(crate) async fn step(&mut self) {
        match next(&self.link, self.codec).await {
            Next::Message(message) => self.take(message),
            Next::Frame(bytes) => self.take_frame(bytes),
            Next::Close(why) => self.closed = Some(Closed(why)),
        }
    }

    fn take(&mut self, message: ServerMessage<serde_json::Value>) {
        match message {
            ServerMessage::Reply { seq, outcome } => {
                let answer = match outcome {
                    Ok(value) => Ok(serde_json::from_value(value).unwrap()),
                    Err(error) => Err((error.code, error.message)),
                };
                self.answers.push_back((seq, answer));
            }
            ServerMessage::Event { n, payload } => {
                self.events.push((n, payload.as_u64().unwrap()));
            }
            ServerMessage::Forget(cells) => {
                for cell in cells {
                    assert!(self.cells.remove(&cell), "forgot a cell never seen");
                    self.entities.retain(|_, known| known.cell != cell);
                }
            }
            ServerMessage::Pong { .. } => {}
            other => panic!("unexpected {other:?}"),
        }
    }

    /// What every client does with a frame, by the rules of the protocol.
    fn take_frame(&mut self, bytes: Bytes) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.read(self.codec, bytes).unwrap();
        self.frames += 1;
        self.input_seq = frame.input_seq;
        for cell in frame.cells() {
            let id = cell.cell;
            if cell.full {
                self.fulls += 1;
                self.cells.insert(id);
                let named: BTreeSet<u64> = frame.entities(cell).iter().map(|e| e.id).collect();
                self.entities
                    .retain(|e, known| known.cell != id || named.contains(e));
            }
            assert!(
                self.cells.contains(&id),
                "changes of a cell that never came in full"
            );
            for entity in frame.entities(cell) {
                let view = frame
                    .view(entity)
                    .map(|view| view.decode::<String>().unwrap());
                let view = view.unwrap_or_else(|| {
                    let known = self.entities.get(&entity.id);
                    known.expect("moved, but never seen").view.clone()
                });
                let known = Known {
                    cell: id,
                    x: entity.x,
                    y: entity.y,
                    view,
                };
                self.entities.insert(entity.id, known);
            }
            for gone in frame.gone(cell) {
                let Some(known) = self.entities.get_mut(&gone.id) else {
                    continue;
                };
                if known.cell != id {
                    continue;
                }
                match gone.to {
                    Some(to) if self.cells.contains(&to) => known.cell = to,
                    Some(to) => {
                        self.strayed.insert(gone.id, to);
                        self.entities.remove(&gone.id);
                    }
                    None => {
                        self.entities.remove(&gone.id);
                    }
                }
            }
        }
        self.frame = frame;
    }

    /// Where it believes everybody to be.
    pub(crate) fn positions(&self) -> Positions {
        self.entities
            .iter()
            .map(|(id, known)| (*id, (cm(known.x), cm(known.y))))
            .collect()
    }
}

#[derive(Debug)]
pub(crate) enum Next {
    Message(ServerMessage<serde_json::Value>),
    Frame(Bytes),
    Close(Option<Refusal>),
}

/// The next thing the writer sends, through the codec.
pub(crate) async fn next(link: &Link<Yard>, codec: Codec) -> Next {
    match timeout(PATIENCE, link.next())
        .await
        .expect("something is said in time")
    {
        Outgoing::Message(message) => {
            let bytes = message.encode(codec).unwrap();
            Next::Message(ServerMessage::decode(codec, &bytes).unwrap())
        }
        Outgoing::Frame(bytes) => Next::Frame(bytes),
        Outgoing::Close(why) => Next::Close(why),
    }
}

//! Lives here: a client that speaks to a link as the gateway does, through real bytes, and keeps
//! what a real one would know.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use actors::{Entry, Link, Outgoing, Refusal};
use bytes::Bytes;
use protocol::{ClientMessage, Codec, ErrorCode, Frame, FrameEntity, ServerMessage, Welcome};
use tokio::time::timeout;

use crate::yard::{Command, Host, Input, Positions, Yard, cm};

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) type Answer = Result<Vec<u64>, (ErrorCode, String)>;

/// The socket was closed, and this is why; after `bye` there is no reason.
#[derive(Debug, Clone)]
pub(crate) struct Closed(Option<Refusal>);

/// Frames for which an entity may be between two regions: said to have left the one, and not yet
/// shown by the other.
const CROSSING: u64 = 60;

/// What a client knows of an entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    /// The cells that have shown it and not said that it left. Where two regions tell of a
    /// crossing at different times there may be two for a moment.
    cells: BTreeSet<u64>,
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
    /// What it heard on channels, as `number channel from: text`.
    pub(crate) heard: Vec<String>,
    /// The numbers of events and of what it heard, as they came.
    pub(crate) numbers: Vec<u64>,
    pub(crate) cells: BTreeSet<u64>,
    pub(crate) entities: HashMap<u64, Known>,
    /// Entities that went to a cell not in view, by that cell.
    pub(crate) strayed: BTreeMap<u64, u64>,
    /// Entities that went to a cell in view which has not shown them yet, and since which frame.
    crossing: HashMap<u64, (u64, u64)>,
    pub(crate) tick: u64,
    pub(crate) frames: u64,
    pub(crate) fulls: u64,
    /// In how many frames each cell had news.
    pub(crate) news: BTreeMap<u64, u64>,
    /// World time per real time, as the last frame told.
    pub(crate) dilation: f32,
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
            heard: Vec::new(),
            numbers: Vec::new(),
            cells: BTreeSet::new(),
            entities: HashMap::new(),
            strayed: BTreeMap::new(),
            crossing: HashMap::new(),
            tick: 0,
            frames: 0,
            fulls: 0,
            news: BTreeMap::new(),
            dilation: 1.0,
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
            assert!(self.closed.is_none(), "closed: {:?}", self.closed);
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
                self.numbers.push(n);
            }
            ServerMessage::Channel {
                n,
                name,
                from,
                payload,
            } => {
                let from = from.map_or_else(|| "world".to_owned(), |from| from.to_string());
                let text = payload.as_str().unwrap();
                self.heard.push(format!("{n} {name} {from}: {text}"));
                self.numbers.push(n);
            }
            ServerMessage::Forget(cells) => {
                for cell in cells {
                    assert!(self.cells.remove(&cell), "forgot a cell never seen");
                    self.release(cell, |_| true);
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
        assert!(
            frame.tick > self.tick,
            "tick {} after {}",
            frame.tick,
            self.tick
        );
        (self.tick, self.input_seq) = (frame.tick, frame.input_seq);
        self.dilation = frame.dilation;
        self.frames += 1;
        for id in frame
            .cells()
            .iter()
            .map(|cell| cell.cell)
            .collect::<BTreeSet<_>>()
        {
            *self.news.entry(id).or_default() += 1;
        }
        for cell in frame.cells() {
            let id = cell.cell;
            if cell.full {
                self.fulls += 1;
                self.cells.insert(id);
                let named: BTreeSet<u64> = frame.entities(cell).iter().map(|e| e.id).collect();
                self.release(id, |entity| !named.contains(entity));
            }
            assert!(
                self.cells.contains(&id),
                "changes of a cell that never came in full"
            );
            for entity in frame.entities(cell) {
                self.show(id, &frame, entity);
            }
            for gone in frame.gone(cell) {
                let known = self.entities.get(&gone.id);
                let shown = known.is_some_and(|k| k.cells.contains(&id));
                self.release(id, |entity| *entity == gone.id);
                if !shown && !self.crossing.contains_key(&gone.id) {
                    // It came from another region and went again before it was shown.
                    continue;
                }
                match gone.to {
                    Some(_) if self.entities.contains_key(&gone.id) => {}
                    Some(to) if self.cells.contains(&to) => {
                        self.crossing.insert(gone.id, (to, self.frames));
                    }
                    Some(to) => {
                        self.strayed.insert(gone.id, to);
                    }
                    None => {}
                }
            }
        }
        for (id, (cell, since)) in &self.crossing {
            assert!(self.frames <= since + CROSSING, "{id} never came to {cell}");
        }
        self.frame = frame;
    }

    fn show(&mut self, cell: u64, frame: &Frame, entity: &FrameEntity) {
        self.crossing.remove(&entity.id);
        let known = self.entities.remove(&entity.id);
        let view = frame
            .view(entity)
            .map(|view| view.decode::<String>().unwrap());
        let moved = view.is_none();
        let (mut cells, old) = known.map_or_else(Default::default, |k| (k.cells, Some(k.view)));
        assert!(
            cells.contains(&cell) || !moved,
            "moved in a cell that never showed it"
        );
        cells.insert(cell);
        let view = view.or(old).expect("moved, but never seen");
        self.entities.insert(
            entity.id,
            Known {
                cells,
                x: entity.x,
                y: entity.y,
                view,
            },
        );
    }

    /// The cell no longer has the entities that `which` says.
    fn release(&mut self, cell: u64, which: impl Fn(&u64) -> bool) {
        self.entities.retain(|id, known| {
            if which(id) {
                known.cells.remove(&cell);
            }
            !known.cells.is_empty()
        });
        self.crossing
            .retain(|id, (to, _)| *to != cell || !which(id));
    }

    /// Whether everybody is in one cell.
    pub(crate) fn is_settled(&self) -> bool {
        self.crossing.is_empty() && self.entities.values().all(|known| known.cells.len() == 1)
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
        Outgoing::Channel(n, part) => {
            let mut bytes = Vec::new();
            protocol::write_channel_head(codec, n, &mut bytes);
            bytes.extend_from_slice(&part);
            Next::Message(ServerMessage::decode(codec, &bytes).unwrap())
        }
        Outgoing::Frame(bytes) => Next::Frame(bytes),
        Outgoing::Close(why) => Next::Close(why),
    }
}

//! Lives here: who listens to the servers of `channel/...`: ten thousand sockets on one epoll and one
//! thread, that acknowledge what they hear once a second. Not here: what is made of it.

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use protocol::{ClientMessage, Codec, Hello, Incoming, RawPayload, ServerMessage};
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::harness::now;
use crate::players::drain::{length, masked, upgrade, upgraded};
use crate::players::floor::timespec;

const CODEC: Codec = Codec::MessagePack;
const LOGINS: usize = 64;
const WAIT: Duration = Duration::from_millis(5);
const ACK_EVERY: Duration = Duration::from_secs(1);
/// How a message on a channel begins: a list of five, the first of which is the word.
const CHANNEL: &[u8] = b"\x95\xa7channel";

/// What was heard in some time.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Messages, over all members.
    pub(super) messages: usize,
    /// Numbers that a member was not told.
    pub(super) gaps: usize,
    /// A message as it was on the wire.
    pub(super) sample: Option<Vec<u8>>,
    /// When the first and the last member heard each message, which the first member to hear it
    /// knows by its place in the order.
    times: Vec<(Instant, Instant)>,
}

impl Heard {
    /// How long after the first member the last one heard a message, in seconds: of so many parts of
    /// the messages it is less.
    pub(super) fn spread(&self, part: f64) -> f64 {
        let spread = self.times.iter().map(|(first, last)| *last - *first);
        let mut spread: Vec<_> = spread.collect();
        spread.sort_unstable();
        let at = ((spread.len() as f64 * part) as usize).min(spread.len().saturating_sub(1));
        spread.get(at).map_or(0.0, Duration::as_secs_f64)
    }
}

struct Ear {
    stream: TcpStream,
    /// What came of a message that is not whole yet.
    part: Vec<u8>,
    /// The number of the last message on the channel, and what was acknowledged of them.
    last: u64,
    acked: u64,
    /// Messages heard since the beginning of the count.
    heard: usize,
}

pub(super) struct Ears {
    poll: OwnedFd,
    all: Vec<Ear>,
    buffer: Vec<u8>,
    heard: Heard,
    /// Acknowledgements are sent from then on, and so many were.
    acking: Option<(Instant, usize)>,
}

impl Ears {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            all: Vec::new(),
            buffer: vec![0; 64 << 10],
            heard: Heard::default(),
            acking: None,
        })
    }

    /// Opens so many sockets that are sent to without asking.
    pub(super) fn connect(&mut self, address: SocketAddr, sockets: usize) -> Result<()> {
        while self.all.len() < sockets {
            for _ in 0..LOGINS.min(sockets - self.all.len()) {
                self.add(TcpStream::connect(address)?)?;
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Logs so many members in.
    pub(super) fn log_in(&mut self, address: SocketAddr, members: usize) -> Result<()> {
        let numbers: Vec<usize> = (0..members).collect();
        for numbers in numbers.chunks(LOGINS) {
            let open = numbers.iter().map(|_| upgrade(address));
            let streams = open.collect::<Result<Vec<_>>>()?;
            for (number, mut stream) in numbers.iter().zip(streams) {
                ensure!(upgraded(&mut stream)?, "no WebSocket in time");
                let hello = Hello::guest(number.to_string());
                let hello: ClientMessage<(), (), ()> = ClientMessage::Hello(hello);
                stream.write_all(&masked(&hello.encode(CODEC)?)?)?;
                self.add(stream)?;
            }
            self.turn()?;
        }
        self.acking = Some((now(), 0));
        Ok(())
    }

    fn add(&mut self, stream: TcpStream) -> Result<()> {
        stream.set_nonblocking(true)?;
        let data = EventData::new_u64(self.all.len() as u64);
        epoll::add(&self.poll, &stream, data, EventFlags::IN)?;
        self.all.push(Ear {
            stream,
            part: Vec::new(),
            last: 0,
            acked: 0,
            heard: 0,
        });
        Ok(())
    }

    /// Listens for so long.
    pub(super) fn listen(&mut self, time: Duration) -> Result<()> {
        let end = now() + time;
        while now() < end {
            self.turn()?;
        }
        Ok(())
    }

    /// Counts from now on.
    pub(super) fn begin(&mut self) {
        self.heard = Heard::default();
        self.all.iter_mut().for_each(|ear| ear.heard = 0);
    }

    pub(super) fn end(&mut self) -> Heard {
        std::mem::take(&mut self.heard)
    }

    fn turn(&mut self) -> Result<()> {
        let mut room = [MaybeUninit::uninit(); 256];
        let (events, _) = epoll::wait(&self.poll, &mut room, Some(&timespec(WAIT)?))?;
        let at = now();
        for event in events {
            self.read(event.data.u64() as usize, at)?;
        }
        self.acknowledge(at)
    }

    fn read(&mut self, number: usize, at: Instant) -> Result<()> {
        let ear = &mut self.all[number];
        let count = match ear.stream.read(&mut self.buffer) {
            Ok(0) => bail!("a socket was closed"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        ear.part.extend_from_slice(&self.buffer[..count]);
        let mut from = 0;
        loop {
            let rest = &ear.part[from..];
            let head = (2..=10.min(rest.len())).find_map(|n| Some((n, length(&rest[..n])?)));
            let Some((head, size)) = head.filter(|(head, size)| head + size <= rest.len()) else {
                break;
            };
            let whole = &rest[..head + size];
            if let Some(n) = number_of(&whole[head..])? {
                // The floor says the same number each time; ours counts up without a gap.
                if n > ear.last && ear.last > 0 {
                    self.heard.gaps += (n - ear.last - 1) as usize;
                }
                ear.last = n;
                let place = ear.heard;
                ear.heard += 1;
                self.heard.messages += 1;
                if place == self.heard.times.len() {
                    self.heard.times.push((at, at));
                }
                self.heard.times[place].1 = at;
                self.heard.sample.get_or_insert_with(|| whole.to_vec());
            }
            from += head + size;
        }
        ear.part.drain(..from);
        Ok(())
    }

    /// Each member once a second, not all at once.
    fn acknowledge(&mut self, at: Instant) -> Result<()> {
        let Some((since, sent)) = &mut self.acking else {
            return Ok(());
        };
        let passed = (at - *since).as_secs_f64() / ACK_EVERY.as_secs_f64();
        let due = (passed * self.all.len() as f64) as usize;
        while *sent < due {
            let number = *sent % self.all.len();
            let ear = &mut self.all[number];
            if ear.last > ear.acked {
                ear.acked = ear.last;
                let ack: ClientMessage<(), (), ()> = ClientMessage::Ack(ear.last);
                let bytes = masked(&ack.encode(CODEC)?)?;
                let wrote = ear.stream.write(&bytes).context("an acknowledgement")?;
                ensure!(wrote == bytes.len(), "a server that does not read");
            }
            *sent += 1;
        }
        Ok(())
    }
}

/// The number of a message, if it is one on a channel.
fn number_of(message: &[u8]) -> Result<Option<u64>> {
    if !message.starts_with(CHANNEL) {
        return Ok(None);
    }
    match Incoming::decode(CODEC, Bytes::copy_from_slice(message))? {
        Incoming::Message(ServerMessage::<RawPayload>::Channel { n, .. }) => Ok(Some(n)),
        other => bail!("not heard on a channel: {other:?}"),
    }
}

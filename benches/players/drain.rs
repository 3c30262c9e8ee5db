//! Lives here: who reads what the servers of `players/...` send, as cheaply as it can be done while
//! it sees when each frame comes; it also logs in and steers. Not here: what is counted as too late.
//!
//! One thread, one epoll, one buffer. Of a frame only the head is looked at; a few sockets' newest
//! frames are kept and decoded at the end, so that what is sent is known to be what is meant.

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use protocol::{ClientMessage, Codec, Frame, Hello};
use rustix::event::epoll::{self, EventData, EventFlags};

use super::floor::timespec;
use super::{LATE, PERIOD};
use crate::harness::{now, on_cpu};

const CODEC: Codec = Codec::MessagePack;
/// How the message of a frame begins: a list of five.
const FRAME: u8 = 0x95;
/// Logins that are under way at once.
const LOGINS: usize = 128;
/// What they may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a status may take.
const STATUS_PATIENCE: Duration = Duration::from_secs(30);
/// One socket in so many keeps its newest frame.
const KEEP_EVERY: usize = 8;
const BUFFER: usize = 64 * 1024;

/// What came in some time.
#[derive(Default)]
pub(super) struct Window {
    pub(super) frames: usize,
    pub(super) bytes: usize,
    /// Frames that came later after the one before than they may.
    pub(super) late: usize,
    /// Sockets that were closed by the other side, since the beginning.
    pub(super) lost: usize,
    /// The part of the time that the reader was busy.
    pub(super) busy: f64,
    /// Others in a frame, in the mean.
    pub(super) in_view: f64,
    /// Frames as they were on the wire.
    pub(super) samples: Vec<Vec<u8>>,
    /// The part of the regions' ticks that was late.
    pub(super) late_ticks: f64,
}

impl Window {
    /// Bytes of the mean frame.
    pub(super) fn frame_bytes(&self) -> f64 {
        self.bytes as f64 / self.frames.max(1) as f64
    }
}

/// One socket.
struct Reader {
    stream: TcpStream,
    /// The head of a WebSocket frame, as far as it is here.
    head: [u8; 10],
    have: usize,
    /// Bytes of it that are still to come; known once the head is complete.
    left: usize,
    /// The message's first byte is still to come.
    begins: bool,
    is_frame: bool,
    last: Option<Instant>,
    /// The newest frame and the one that comes in.
    kept: Option<[Vec<u8>; 2]>,
    inputs: u64,
}

pub(super) struct Drain {
    poll: OwnedFd,
    readers: Vec<Reader>,
    buffer: Vec<u8>,
    counted: Window,
    /// Readers that had a frame.
    awake: usize,
    /// Inputs are sent from the time that all are there.
    steering: Option<(Instant, usize)>,
}

impl Drain {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            readers: Vec::new(),
            buffer: vec![0; BUFFER],
            counted: Window::default(),
            awake: 0,
            steering: None,
        })
    }

    /// Opens so many sockets. `false` when not all get a frame in time.
    pub(super) fn connect(&mut self, address: SocketAddr, sockets: usize) -> Result<bool> {
        while self.readers.len() < sockets {
            // Read in between, or what the first are sent would pile up.
            for _ in 0..LOGINS.min(sockets - self.readers.len()) {
                self.add(TcpStream::connect(address)?)?;
            }
            if !self.until_awake(self.readers.len())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Logs so many players in. `false` when not all get in, and a first frame, in time.
    pub(super) fn log_in(&mut self, address: SocketAddr, players: usize) -> Result<bool> {
        let numbers: Vec<usize> = (0..players).collect();
        for numbers in numbers.chunks(LOGINS) {
            let open = numbers.iter().map(|_| upgrade(address));
            let streams = open.collect::<Result<Vec<_>>>()?;
            for (number, mut stream) in numbers.iter().zip(streams) {
                if !upgraded(&mut stream)? {
                    return Ok(false);
                }
                let hello = Hello::guest(number.to_string());
                let hello: ClientMessage<(), (), ()> = ClientMessage::Hello(hello);
                stream.write_all(&masked(&hello.encode(CODEC)?)?)?;
                self.add(stream)?;
            }
            let all = self.readers.len();
            if !self.until_awake(all)? {
                return Ok(false);
            }
        }
        self.steering = Some((now(), 0));
        Ok(true)
    }

    fn add(&mut self, stream: TcpStream) -> Result<()> {
        stream.set_nonblocking(true)?;
        let data = EventData::new_u64(self.readers.len() as u64);
        epoll::add(&self.poll, &stream, data, EventFlags::IN)?;
        let kept = self.readers.len().is_multiple_of(KEEP_EVERY);
        self.readers.push(Reader {
            stream,
            head: [0; 10],
            have: 0,
            left: 0,
            begins: false,
            is_frame: false,
            last: None,
            kept: kept.then(Default::default),
            inputs: 0,
        });
        Ok(())
    }

    fn until_awake(&mut self, all: usize) -> Result<bool> {
        let end = now() + PATIENCE;
        while self.awake + self.counted.lost < all {
            if now() > end {
                return Ok(false);
            }
            self.turn(end)?;
        }
        Ok(self.counted.lost == 0)
    }

    /// Reads for so long.
    pub(super) fn run(&mut self, time: Duration) -> Result<()> {
        let end = now() + time;
        while now() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    /// Reads for so long and says what came.
    pub(super) fn watch(&mut self, time: Duration) -> Result<Window> {
        // What waited while nobody read is no measure.
        self.run(PERIOD)?;
        let lost = self.counted.lost;
        self.counted = Window::default();
        let (start, busy) = (now(), on_cpu().context("no schedstat")?);
        self.run(time)?;
        let took = start.elapsed().as_secs_f64();
        let busy = on_cpu().context("no schedstat")?.saturating_sub(busy);
        let mut window = std::mem::take(&mut self.counted);
        window.busy = busy.as_secs_f64() / took;
        window.lost += lost;
        let kept = self
            .readers
            .iter()
            .filter_map(|reader| reader.kept.as_ref());
        let kept = kept.map(|[newest, _]| newest.clone());
        window.samples = kept.filter(|frame| !frame.is_empty()).collect();
        window.in_view = in_view(&window.samples)?;
        Ok(window)
    }

    /// Waits for something to read, until `end` at most, and reads it; steers whose turn it is.
    fn turn(&mut self, end: Instant) -> Result<()> {
        let wait = end.saturating_duration_since(now()).min(PERIOD / 10);
        let mut room = [MaybeUninit::uninit(); 256];
        let (events, _) = epoll::wait(&self.poll, &mut room, Some(&timespec(wait)?))?;
        let at = now();
        for event in events {
            self.read(event.data.u64() as usize, at)?;
        }
        self.steer(at)
    }

    fn read(&mut self, number: usize, at: Instant) -> Result<()> {
        let reader = &mut self.readers[number];
        let count = match reader.stream.read(&mut self.buffer) {
            Ok(0) => None,
            Ok(count) => Some(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => return Err(error.into()),
        };
        let Some(count) = count else {
            epoll::delete(&self.poll, &reader.stream)?;
            self.counted.lost += 1;
            return Ok(());
        };
        self.counted.bytes += count;
        let frames = reader.take(&self.buffer[..count]);
        if frames == 0 {
            return Ok(());
        }
        self.counted.frames += frames;
        match reader.last.replace(at) {
            Some(last) => self.counted.late += usize::from(at - last > PERIOD + LATE),
            None => self.awake += 1,
        }
        Ok(())
    }

    /// Each player steers once a second, not all at once.
    fn steer(&mut self, at: Instant) -> Result<()> {
        let Some((since, sent)) = &mut self.steering else {
            return Ok(());
        };
        let due = ((at - *since).as_secs_f64() * self.readers.len() as f64) as usize;
        while *sent < due {
            let number = *sent % self.readers.len();
            let reader = &mut self.readers[number];
            reader.inputs += 1;
            let seq = reader.inputs;
            let payload = if seq.is_multiple_of(2) {
                [8.0, -8.0]
            } else {
                [-8.0, 8.0]
            };
            let input: ClientMessage<(), [f64; 2], ()> = ClientMessage::Input { seq, payload };
            match reader.stream.write(&masked(&input.encode(CODEC)?)?) {
                // Lost ones are counted where they are read; one that is not read from for long is
                // told by its frames.
                Ok(_) => {}
                Err(error)
                    if [
                        ErrorKind::BrokenPipe,
                        ErrorKind::ConnectionReset,
                        ErrorKind::WouldBlock,
                    ]
                    .contains(&error.kind()) => {}
                Err(error) => return Err(error.into()),
            }
            *sent += 1;
        }
        Ok(())
    }
}

impl Reader {
    /// Takes in what came; returns how many frames it completes.
    fn take(&mut self, mut bytes: &[u8]) -> usize {
        let mut frames = 0;
        while let Some((first, rest)) = bytes.split_first() {
            if self.left == 0 {
                self.head[self.have] = *first;
                self.have += 1;
                bytes = rest;
                if let Some(length) = length(&self.head[..self.have]) {
                    if let Some([_, coming]) = &mut self.kept {
                        coming.clear();
                        coming.extend_from_slice(&self.head[..self.have]);
                    }
                    (self.have, self.left, self.begins) = (0, length, true);
                }
                continue;
            }
            if self.begins {
                self.is_frame = *first == FRAME;
                self.begins = false;
            }
            let count = self.left.min(bytes.len());
            if let Some([_, coming]) = &mut self.kept {
                coming.extend_from_slice(&bytes[..count]);
            }
            bytes = &bytes[count..];
            self.left -= count;
            if self.left == 0 && self.is_frame {
                frames += 1;
                if let Some([newest, coming]) = &mut self.kept {
                    std::mem::swap(newest, coming);
                }
            }
        }
        frames
    }
}

/// The length of a message of a server by its head, once that is complete.
pub(crate) fn length(head: &[u8]) -> Option<usize> {
    match (head.get(1)?, head.len()) {
        (126, 4) => Some(u16::from_be_bytes([head[2], head[3]]).into()),
        (127, 10) => {
            let bytes = head[2..].try_into().unwrap_or_default();
            Some(u64::from_be_bytes(bytes) as usize)
        }
        (126 | 127, _) => None,
        (short, _) => Some(usize::from(*short)),
    }
}

/// Bytes on the wire, cut into frames.
pub(super) fn frames_in(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut frames, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let head = (2..=10.min(rest.len())).find_map(|n| Some((n, length(&rest[..n])?)));
        let Some((head, length)) = head else { break };
        let (frame, behind) = rest.split_at((head + length).min(rest.len()));
        frames.push(frame);
        rest = behind;
    }
    frames
}

/// How many others the mean frame tells of.
fn in_view(samples: &[Vec<u8>]) -> Result<f64> {
    let mut others = 0;
    for sample in samples {
        let head = (2..=10).find_map(|n| length(&sample[..n]).map(|_| n));
        let head = head.context("a frame without a head")?;
        let mut frame = Frame::default();
        frame.read(CODEC, Bytes::copy_from_slice(&sample[head..]))?;
        let cells = frame.cells().iter();
        others += cells.map(|cell| frame.entities(cell).len()).sum::<usize>();
    }
    Ok((others as f64 / samples.len().max(1) as f64 - 1.0).max(0.0))
}

/// Asks for a WebSocket.
pub(crate) fn upgrade(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /v1/ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {}\r\n\r\n",
        CODEC.subprotocol()
    )?;
    Ok(stream)
}

/// Whether the server agreed, in time.
pub(crate) fn upgraded(stream: &mut TcpStream) -> Result<bool> {
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => answer.push(byte[0]),
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    if !answer.starts_with(b"HTTP/1.1 101 ") {
        bail!("no WebSocket: {}", String::from_utf8_lossy(&answer));
    }
    Ok(true)
}

/// A message of a client. A mask of zeros changes nothing.
pub(crate) fn masked(payload: &[u8]) -> Result<Vec<u8>> {
    let length = u8::try_from(payload.len()).ok().filter(|n| *n < 126);
    let length = length.context("a long message")?;
    Ok([&[0x82, 0x80 | length, 0, 0, 0, 0], payload].concat())
}

/// The regions' ticks so far.
#[derive(Default)]
pub(crate) struct Ticks {
    pub(crate) all: f64,
    pub(crate) late: f64,
}

/// Asks the server for them.
pub(crate) fn ticks(address: SocketAddr) -> Result<Ticks> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(STATUS_PATIENCE))?;
    write!(
        stream,
        "GET /v1/status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no status")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "no status: {head}");
    let status: serde_json::Value = serde_json::from_str(body)?;
    let regions = status["hosts"][0]["regions"]
        .as_array()
        .context("no regions")?;
    let sum = |key: &str| -> Result<f64> {
        let counts = regions.iter().map(|region| region[key].as_f64());
        counts.sum::<Option<f64>>().context("no numbers")
    };
    Ok(Ticks {
        all: sum("ticks")?,
        late: sum("late")?,
    })
}

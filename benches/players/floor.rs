//! Lives here: the floor of `players/...`: a loop on epoll that hands each socket a ready frame 20
//! times a second. Not here: who reads them (`drain`).
//!
//! It knows no world, no session and no WebSocket, composes nothing and copies nothing but into the
//! kernel. Of a socket that takes nothing it leaves frames out, as ours does.

use std::fs;
use std::io::{ErrorKind, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use super::drain::frames_in;
use super::{CORES, PERIOD, stay_on};
use crate::client::announce;
use crate::harness::now;

/// Besides sockets, which go by their numbers.
const LISTENER: u64 = u64::MAX;
const PARENT: u64 = u64::MAX - 1;

/// A socket, and what it has not taken of the frame before.
struct Socket {
    stream: TcpStream,
    /// Which frame, and from which byte on.
    rest: Option<(usize, usize)>,
}

/// Serves until the parent process goes away.
pub(crate) fn serve(path: &str) -> Result<()> {
    stay_on(CORES.0)?;
    let recorded = fs::read(path).context("the recorded frames")?;
    let frames = frames_in(&recorded);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &poll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let parent = std::io::stdin();
    epoll::add(&poll, &parent, EventData::new_u64(PARENT), EventFlags::IN)?;
    announce(listener.local_addr()?);

    let mut sockets: Vec<Socket> = Vec::new();
    let mut room = [MaybeUninit::uninit(); 256];
    let (mut due, mut tick) = (now() + PERIOD, 0);
    loop {
        let wait = timespec(due.saturating_duration_since(now()))?;
        let (events, _) = epoll::wait(&poll, &mut room, Some(&wait))?;
        for event in events {
            match event.data.u64() {
                PARENT => return Ok(()),
                LISTENER => accept(&listener, &mut sockets)?,
                number => {
                    let socket = &mut sockets[number as usize];
                    if let Some((frame, from)) = socket.rest.take() {
                        write(socket, frames[frame], (frame, from))?;
                    }
                    if socket.rest.is_none() {
                        epoll::delete(&poll, &socket.stream)?;
                    }
                }
            }
        }
        let late = now().checked_duration_since(due);
        let Some(late) = late else { continue };
        // Ticks that were missed are left out, as ours does.
        due += PERIOD * (1 + (late.as_nanos() / PERIOD.as_nanos()) as u32);
        tick += 1;
        for (number, socket) in sockets.iter_mut().enumerate() {
            if socket.rest.is_some() {
                continue;
            }
            let frame = (number + tick) % frames.len();
            write(socket, frames[frame], (frame, 0))?;
            if socket.rest.is_some() {
                let data = EventData::new_u64(number as u64);
                epoll::add(&poll, &socket.stream, data, EventFlags::OUT)?;
            }
        }
    }
}

fn accept(listener: &TcpListener, sockets: &mut Vec<Socket>) -> Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                sockets.push(Socket { stream, rest: None });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes a frame from a byte on; what is not taken stays as the rest.
fn write(socket: &mut Socket, bytes: &[u8], (frame, from): (usize, usize)) -> Result<()> {
    let from = match socket.stream.write(&bytes[from..]) {
        Ok(count) => from + count,
        Err(error) if error.kind() == ErrorKind::WouldBlock => from,
        // The reader has gone; this process is next.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => bytes.len(),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => bytes.len(),
        Err(error) => return Err(error.into()),
    };
    socket.rest = (from < bytes.len()).then_some((frame, from));
    Ok(())
}

pub(crate) fn timespec(time: Duration) -> Result<Timespec> {
    Ok(Timespec {
        tv_sec: i64::try_from(time.as_secs())?,
        tv_nsec: time.subsec_nanos().into(),
    })
}

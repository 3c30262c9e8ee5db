//! Lives here: what a client knows of its session, over sockets: numbers, and the commands that
//! have no reply yet.
//! Not here: the socket (`connection`).
//!
//! Invariant: a number is given to one command only, and a command stays here until its reply has
//! come: so each takes effect exactly once, whatever becomes of the sockets.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::{Codec, Welcome};

use crate::error::ClientError;
use crate::trust::Trust;

/// The commands that may wait for their replies; the server's own window is smaller.
pub const MAX_UNANSWERED: usize = 1024;

/// Events are acknowledged when so many have arrived.
pub const ACK_EVERY: u64 = 16;

/// What it takes to go on with a session on another socket.
#[derive(Debug)]
pub struct Resume {
    pub(crate) codec: Codec,
    pub(crate) trust: Option<Trust>,
    pub(crate) session: Session,
}

impl Resume {
    /// The numbers of the commands whose replies are still to come.
    pub fn unanswered(&self) -> impl Iterator<Item = u64> + '_ {
        self.session.unanswered.iter().map(|(seq, _)| *seq)
    }

    /// The number of the newest command.
    pub fn last_command(&self) -> u64 {
        self.session.last_command
    }
}

/// A session, as its client knows it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) welcome: Welcome,
    pub(crate) last_event: u64,
    last_command: u64,
    last_input: u64,
    acknowledged: u64,
    unanswered: VecDeque<(u64, Bytes)>,
}

impl Session {
    pub(crate) fn new(welcome: Welcome) -> Self {
        Self {
            last_event: 0,
            last_command: welcome.last_command,
            last_input: 0,
            acknowledged: 0,
            unanswered: VecDeque::new(),
            welcome,
        }
    }

    /// The session goes on, on another socket; gives the commands to send again.
    pub(crate) fn resumed(
        &mut self,
        welcome: Welcome,
    ) -> Result<impl Iterator<Item = Bytes> + '_, ClientError> {
        if !welcome.resumed || welcome.session != self.welcome.session {
            return Err(ClientError::SessionLost);
        }
        self.welcome = welcome;
        // The server learned it with the hello.
        self.acknowledged = self.last_event;
        Ok(self.unanswered.iter().map(|(_, bytes)| bytes.clone()))
    }

    pub(crate) fn next_command(&self) -> Result<u64, ClientError> {
        match self.unanswered.len() {
            MAX_UNANSWERED => Err(ClientError::WindowFull(MAX_UNANSWERED)),
            _ => Ok(self.last_command + 1),
        }
    }

    pub(crate) fn commanded(&mut self, seq: u64, bytes: Bytes) {
        self.last_command = seq;
        self.unanswered.push_back((seq, bytes));
    }

    pub(crate) fn next_input(&mut self) -> u64 {
        self.last_input += 1;
        self.last_input
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// Whether the reply is to a command that still waits for one.
    pub(crate) fn replied(&mut self, seq: u64) -> bool {
        match self.unanswered.iter().position(|(known, _)| *known == seq) {
            Some(place) => self.unanswered.remove(place).is_some(),
            None => false,
        }
    }

    /// Whether the event is new.
    pub(crate) fn heard(&mut self, n: u64) -> bool {
        let new = n > self.last_event;
        self.last_event = self.last_event.max(n);
        new
    }

    /// The number to acknowledge now, if it is time to.
    pub(crate) fn acknowledgement(&mut self) -> Option<u64> {
        if self.last_event - self.acknowledged < ACK_EVERY {
            return None;
        }
        self.acknowledged = self.last_event;
        Some(self.last_event)
    }
}

//! Lives here: the gateway's counters: messages and bytes by kind and direction, sockets that ended
//! without a session.
//! Not here: what sessions count themselves (`actors`).

use actors::{Cause, Incoming};
use metrics::{Counter, counter};
use protocol::{ClientMessage, ServerMessage};
use world_data::World;

/// Handles of all counters, looked up once: no name is looked up per message.
#[derive(Debug)]
pub(crate) struct Counters {
    received: [Counter; RECEIVED.len()],
    received_bytes: Counter,
    sent: [(Counter, Counter); SENT.len()],
}

const RECEIVED: [&str; 7] = ["hello", "command", "input", "publish", "ack", "ping", "bye"];
const SENT: [&str; 9] = [
    "welcome", "reply", "event", "channel", "frame", "forget", "pong", "moved", "error",
];
const CHANNEL: usize = 3;
const FRAME: usize = 4;

impl Counters {
    /// Looks all handles up. The exporter must be there already.
    pub(crate) fn new() -> Self {
        Self {
            received: RECEIVED
                .map(|kind| counter!("brightstar_messages_received_total", "kind" => kind)),
            received_bytes: counter!("brightstar_received_bytes_total"),
            sent: SENT.map(|kind| {
                (
                    counter!("brightstar_messages_sent_total", "kind" => kind),
                    counter!("brightstar_sent_bytes_total", "kind" => kind),
                )
            }),
        }
    }

    /// A message has come.
    pub(crate) fn received<W: World>(&self, message: &Incoming<W>, bytes: usize) {
        let kind = match message {
            ClientMessage::Hello(_) => 0,
            ClientMessage::Command { .. } => 1,
            ClientMessage::Input { .. } => 2,
            ClientMessage::Publish { .. } => 3,
            ClientMessage::Ack(_) => 4,
            ClientMessage::Ping(_) => 5,
            ClientMessage::Bye => 6,
        };
        self.received[kind].increment(1);
        self.received_bytes.increment(bytes as u64);
    }

    /// A message was written.
    pub(crate) fn sent<R>(&self, message: &ServerMessage<R>, bytes: usize) {
        let kind = match message {
            ServerMessage::Welcome(_) => 0,
            ServerMessage::Reply { .. } => 1,
            ServerMessage::Event { .. } => 2,
            ServerMessage::Channel { .. } => CHANNEL,
            ServerMessage::Forget(_) => 5,
            ServerMessage::Pong { .. } => 6,
            ServerMessage::Moved { .. } => 7,
            ServerMessage::Error { .. } => 8,
        };
        self.count_sent(kind, bytes);
    }

    /// A frame was written.
    pub(crate) fn sent_frame(&self, bytes: usize) {
        self.count_sent(FRAME, bytes);
    }

    /// A message on a channel was written.
    pub(crate) fn sent_channel(&self, bytes: usize) {
        self.count_sent(CHANNEL, bytes);
    }

    fn count_sent(&self, kind: usize, bytes: usize) {
        self.sent[kind].0.increment(1);
        self.sent[kind].1.increment(bytes as u64);
    }
}

/// A socket ended that no session knew of; the others are counted by their session.
pub(crate) fn ended_without_session(cause: Cause) {
    counter!("brightstar_disconnects_total", "cause" => cause.as_str()).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_kinds() {
        assert_eq!((SENT[CHANNEL], SENT[FRAME]), ("channel", "frame"));
        let pong = ServerMessage::<()>::Pong {
            nonce: 1,
            server_ms: 2,
        };
        assert_eq!(pong.kind(), SENT[6]);
        assert_eq!(ServerMessage::<()>::Forget(Vec::new()).kind(), SENT[5]);
        assert_eq!(ClientMessage::<(), (), ()>::Ping(1).kind(), RECEIVED[5]);
        assert_eq!(ClientMessage::<(), (), ()>::Bye.kind(), RECEIVED[6]);
    }
}

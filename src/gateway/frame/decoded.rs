//! Lives here: a whole stream of bytes through the decoder, for the fuzz target `websocket`.
//! Not here: the decoder (`frame`). Nothing of the server calls this.

use super::{Decoder, Event};

/// What a stream of bytes was decoded to.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What came, with its length in bytes.
    pub events: Vec<(&'static str, usize)>,
    /// Why nothing more came.
    pub error: Option<String>,
    /// Bytes that the decoder holds at the end.
    pub held: usize,
}

/// Decodes bytes that come in pieces, as a client's WebSocket frames with messages of at most
/// `limit` bytes.
pub fn websocket_events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Decoded {
    let mut decoder = Decoder::new(limit);
    let (mut events, mut error) = (Vec::new(), None);
    'stream: for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(event)) => events.push(named(&event)),
                Ok(None) => break,
                Err(why) => {
                    error = Some(why.to_string());
                    break 'stream;
                }
            }
        }
    }
    let parts = decoder.message.as_ref().map_or(0, |(_, parts)| parts.len());
    // After an error the rest of the stream is not looked at: what is held depends on the pieces.
    let buffered = if error.is_some() {
        0
    } else {
        decoder.buffer.len()
    };
    Decoded {
        events,
        held: parts + buffered,
        error,
    }
}

fn named(event: &Event) -> (&'static str, usize) {
    match event {
        Event::Text(bytes) => ("text", bytes.len()),
        Event::Binary(bytes) => ("binary", bytes.len()),
        Event::Fragment => ("fragment", 0),
        Event::Ping(bytes) => ("ping", bytes.len()),
        Event::Pong => ("pong", 0),
        Event::Close => ("close", 0),
    }
}

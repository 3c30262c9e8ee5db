//! Lives here: what must hold for any bytes as WebSocket frames: what is decoded does not depend on
//! how the bytes were cut, nothing is longer than the limit, and after an error nothing comes.
//! Not here: what messages say (`protocol`).

use brightstar::websocket_events;

/// The most a message may have; small, so that a fuzzer finds the limit.
const LIMIT: usize = 200;

/// Decodes the bytes behind the first whole, and cut into pieces of the first byte's size.
pub fn run(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = websocket_events(bytes.chunks(bytes.len().max(1)), LIMIT);
    let cut = websocket_events(bytes.chunks(usize::from(*size).max(1)), LIMIT);
    assert_eq!(whole, cut, "the same bytes, cut otherwise");
    for (kind, length) in whole.events {
        assert!(length <= LIMIT, "{kind} of {length} bytes");
    }
    assert!(whole.held <= bytes.len(), "{} bytes held", whole.held);
}

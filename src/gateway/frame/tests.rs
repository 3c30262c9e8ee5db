//! Lives here: tests of the framing: how bytes are cut, what is refused, what is survived.
//! Not here: the same over a real socket (`tests/malformed.rs`).

use super::*;

const LIMIT: usize = 1_000;

fn client(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out, Opcode::Text, payload);
    let header = out.len() - payload.len();
    let mask = [1, 2, 3, 4];
    let mut frame = vec![first, out[1] | MASKED];
    frame.extend_from_slice(&out[2..header]);
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]));
    frame
}

fn all(chunks: &[&[u8]]) -> (Vec<Event>, Option<FrameError>) {
    let mut decoder = Decoder::new(LIMIT);
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn text(s: &str) -> Event {
    Event::Text(Bytes::copy_from_slice(s.as_bytes()))
}

#[test]
fn frames_come_out_however_the_bytes_are_cut() {
    let mut stream = client(0x81, b"hello");
    stream.extend(client(0x01, b"frag"));
    stream.extend(client(0x89, b"ping"));
    stream.extend(client(0x00, b""));
    stream.extend(client(0x80, b"ment"));
    stream.extend(client(0x82, &[7; 300]));
    stream.extend(client(0x8A, b""));
    stream.extend(client(0x88, &[3, 232]));
    let expected = vec![
        text("hello"),
        Event::Fragment,
        Event::Ping(Bytes::from_static(b"ping")),
        Event::Fragment,
        text("fragment"),
        Event::Binary(Bytes::from(vec![7; 300])),
        Event::Pong,
        Event::Close,
    ];
    for size in [1, 2, 3, 7, 64, stream.len()] {
        let chunks: Vec<_> = stream.chunks(size).collect();
        assert_eq!(
            all(&chunks),
            (expected_clone(&expected), None),
            "chunks of {size}"
        );
    }
}

fn expected_clone(events: &[Event]) -> Vec<Event> {
    events
        .iter()
        .map(|event| match event {
            Event::Text(b) => Event::Text(b.clone()),
            Event::Binary(b) => Event::Binary(b.clone()),
            Event::Ping(b) => Event::Ping(b.clone()),
            Event::Fragment => Event::Fragment,
            Event::Pong => Event::Pong,
            Event::Close => Event::Close,
        })
        .collect()
}

#[test]
fn broken_framing_is_named() {
    let broken = |bytes: &[u8]| match all(&[bytes]) {
        (_, Some(FrameError::Broken(why))) => why,
        other => panic!("{bytes:?}: {other:?}"),
    };
    for (bytes, why) in [
        (vec![0x81, 0x01, b'x'], "masked"),
        (client(0xC1, b"x"), "reserved bits"),
        (client(0x83, b"x"), "opcode"),
        (client(0x80, b"x"), "without a beginning"),
        (
            [client(0x01, b"x"), client(0x81, b"y")].concat(),
            "inside a fragmented",
        ),
        (client(0x09, b"x"), "may not be fragmented"),
        (client(0x89, &[0; 126]), "125 bytes"),
        (client(0x88, b"x"), "two bytes"),
        (
            vec![0x82, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
            "highest bit",
        ),
    ] {
        assert!(broken(&bytes).contains(why), "{why}: {}", broken(&bytes));
    }
}

#[test]
fn a_huge_frame_is_refused_by_its_header() {
    let header = [0x82, 0xFF, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4];
    let (_, error) = all(&[&header]);
    assert_eq!(
        error,
        Some(FrameError::TooLarge {
            limit: LIMIT,
            bytes: 1 << 30
        })
    );
}

#[test]
fn fragments_together_meet_the_same_limit() {
    let stream = [
        client(0x02, &[0; 600]),
        client(0x00, &[0; 400]),
        client(0x80, &[0]),
    ];
    let (events, error) = all(&[&stream.concat()]);
    assert_eq!(events, [Event::Fragment, Event::Fragment]);
    assert_eq!(
        error,
        Some(FrameError::TooLarge {
            limit: LIMIT,
            bytes: 1_001
        })
    );
}

#[test]
fn random_bytes_never_panic() {
    // A small generator is enough: any sequence must be survived.
    let mut state = 1_u64;
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..64)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        all(&[&bytes]);
    }
}

#[test]
fn a_close_reason_is_cut_at_a_character() {
    let mut out = BytesMut::new();
    write_close(&mut out, 1008, &"ä".repeat(100));
    assert_eq!(out.len(), 2 + 2 + 122);
    assert!(std::str::from_utf8(&out[4..]).is_ok());
}

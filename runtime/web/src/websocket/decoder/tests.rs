use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    message_bytes_max: 64,
    dropped_bytes_max: 256,
    binary: true,
};

/// A masked frame with the shortest length.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut bytes = vec![first];
    match payload.len() {
        n @ 0..126 => bytes.push(0x80 | n as u8),
        n @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((n as u16).to_be_bytes());
        }
        n => {
            bytes.push(0x80 | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// Feeds `bytes` in pieces of `piece` bytes, and leaves fragments uncounted.
fn read(limits: Limits, bytes: &[u8], piece: usize) -> Result<Vec<Received>, Violation> {
    let mut decoder = Decoder::new(limits);
    let mut received = Vec::new();
    for part in bytes.chunks(piece.max(1)) {
        let mut chunk = Bytes::copy_from_slice(part);
        while let Some(one) = decoder.feed(&mut chunk)? {
            received.extend((one != Received::Fragment).then_some(one));
        }
        assert!(chunk.is_empty());
    }
    Ok(received)
}

fn check(bytes: &[u8], expected: Result<Vec<Received>, Violation>) {
    for piece in [1, 2, 3, 7, bytes.len()] {
        match (read(LIMITS, bytes, piece), &expected) {
            (Ok(found), Ok(wanted)) => assert_eq!(&found, wanted, "in pieces of {piece}"),
            (Err(found), Err(wanted)) => assert_eq!(found.code(), wanted.code(), "in pieces of {piece}"),
            (found, wanted) => panic!("{found:?} is not {wanted:?}, in pieces of {piece}"),
        }
    }
}

fn text(content: &str) -> Received {
    Received::Text(content.into())
}

#[test]
fn fragments_become_one_message_and_control_frames_may_stand_between() {
    let bytes = [
        frame(0x01, "caf\u{e9}".as_bytes().split_at(4).0),
        frame(0x89, b"hi"),
        frame(0x00, "caf\u{e9}".as_bytes().split_at(4).1),
        frame(0x8A, b""),
        frame(0x80, b""),
        frame(0x82, &[0xFF, 0x00]),
        frame(0x81, b""),
    ]
    .concat();
    check(
        &bytes,
        Ok(vec![
            Received::Ping("hi".into()),
            Received::Pong,
            text("caf\u{e9}"),
            Received::Binary(vec![0xFF, 0x00].into()),
            text(""),
        ]),
    );
}

#[test]
fn a_message_over_the_limit_is_dropped_and_the_next_one_is_read() {
    let bytes = [frame(0x81, &[b'a'; 200]), frame(0x81, b"next")].concat();
    check(&bytes, Ok(vec![Received::TooLong, text("next")]));
    let exact = frame(0x81, &[b'a'; 64]);
    check(&exact, Ok(vec![text(&"a".repeat(64))]));
}

#[test]
fn a_length_over_the_hard_limit_is_refused_before_its_payload() {
    let declared = &frame(0x81, &[b'a'; 257])[..8];
    check(declared, Err(Violation::TooBig));
    let assembled = [frame(0x01, &[b'a'; 200]), frame(0x80, &[b'a'; 57])[..6].to_vec()].concat();
    check(&assembled, Err(Violation::TooBig));
    let huge = [&[0x81, 0xFF][..], &(u64::MAX >> 1).to_be_bytes(), &[0; 4]].concat();
    check(&huge, Err(Violation::TooBig));
}

#[test]
fn text_that_is_not_utf8_is_refused_at_its_first_wrong_byte() {
    let inside = frame(0x81, b"ok\xF4\x90and more that never comes");
    check(&inside[..10], Err(Violation::InvalidText));
    check(&frame(0x81, b"caf\xC3"), Err(Violation::InvalidText));
    let split = [frame(0x01, b"\xED"), frame(0x80, b"\xA0\x80")].concat();
    check(&split, Err(Violation::InvalidText));
}

#[test]
fn violations_of_the_protocol_are_refused() {
    let protocol = Err(Violation::Protocol(""));
    let mut unmasked = frame(0x81, b"a");
    unmasked[1] &= 0x7F;
    for bytes in [
        unmasked,
        frame(0xC1, b"reserved bit"),
        frame(0x83, b"reserved opcode"),
        frame(0x8B, b"reserved opcode"),
        frame(0x09, b"fragmented ping"),
        frame(0x89, &[0; 126]),
        frame(0x80, b"nothing to continue"),
        [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
        frame(0x88, &[3]),
        frame(0x88, &1005_u16.to_be_bytes()),
        frame(0x88, &2999_u16.to_be_bytes()),
        [&[0x81, 0xFE, 0, 5], &[0; 4][..]].concat(),
        [&[0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], &[0; 4][..]].concat(),
    ] {
        check(&bytes, protocol.clone());
    }
    let text_only = Limits {
        binary: false,
        ..LIMITS
    };
    assert_eq!(read(text_only, &frame(0x82, b"x"), 1), Err(Violation::Binary));
}

#[test]
fn a_close_gives_its_code() {
    check(&frame(0x88, b""), Ok(vec![Received::Close(None)]));
    check(&frame(0x88, b"\x0F\xA1why"), Ok(vec![Received::Close(Some(4001))]));
    check(&frame(0x88, b"\x03\xE8\xFF"), Err(Violation::InvalidText));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..20) {
        let _ = read(LIMITS, &bytes, piece);
    }

    #[test]
    fn however_a_text_is_fragmented_and_cut_it_arrives_as_it_was(
        content in "\\PC{0,12}",
        cuts in prop::collection::vec(0_usize..40, 0..4),
        piece in 1_usize..20,
    ) {
        let raw = content.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(raw.len())).collect();
        cuts.sort_unstable();
        let mut bytes = Vec::new();
        let mut from = 0;
        for cut in &cuts {
            bytes.extend(frame(if from == 0 && bytes.is_empty() { 0x01 } else { 0x00 }, &raw[from..*cut]));
            from = *cut;
        }
        bytes.extend(frame(if bytes.is_empty() { 0x81 } else { 0x80 }, &raw[from..]));
        prop_assert_eq!(read(LIMITS, &bytes, piece), Ok(vec![text(&content)]));
    }
}

//! Frames as the journal keeps them: a JSON array of their exact texts.

use bytestring::ByteString;
use serde_json::value::RawValue;

use crate::{StoreError, StoredFrame};

/// Joins frames into a payload. Nothing is serialised again: a frame leaves the journal byte by byte as it entered.
pub(crate) fn join<'a>(frames: impl Iterator<Item = &'a str> + Clone) -> String {
    let bytes = frames.clone().map(|frame| frame.len() + 1).sum::<usize>() + 1;
    let mut payload = String::with_capacity(bytes);
    for frame in frames {
        payload.push(if payload.is_empty() { '[' } else { ',' });
        payload.push_str(frame);
    }
    payload.push(']');
    payload
}

/// Slices a payload into its frames, the first of which is `seq`. The frames share the payload's memory.
pub(crate) fn slice(seq: u64, payload: String) -> Result<Vec<StoredFrame>, StoreError> {
    let payload = ByteString::from(payload);
    let texts: Vec<&RawValue> = serde_json::from_str(&payload).map_err(unreadable)?;
    Ok((seq..)
        .zip(texts)
        .map(|(seq, text)| StoredFrame {
            seq,
            text: payload.slice_ref(text.get()),
        })
        .collect())
}

/// The error for a frame that this version does not understand.
pub(crate) fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Unreadable {
        what: "event",
        source: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_leaves_as_it_entered(texts in proptest::collection::vec("\\PC{0,40}", 1..6), seq in 1_u64..1_000) {
            let frames: Vec<String> =
                texts.iter().map(|text| serde_json::json!({"a": [text, {"b": text}]}).to_string()).collect();
            let sliced = slice(seq, join(frames.iter().map(String::as_str))).unwrap();
            for (index, (frame, stored)) in frames.iter().zip(&sliced).enumerate() {
                prop_assert_eq!(frame.as_str(), &*stored.text);
                prop_assert_eq!(stored.seq, seq + index as u64);
            }
            prop_assert_eq!(frames.len(), sliced.len());
        }
    }

    #[test]
    fn a_damaged_payload_is_an_error() {
        for payload in ["", "[", "{}", "[{]", "[{}{}]"] {
            assert!(slice(1, payload.to_owned()).is_err(), "{payload}");
        }
    }
}

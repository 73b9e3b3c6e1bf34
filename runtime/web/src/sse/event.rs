//! The text of an event stream.

use std::fmt::Display;

use serde::Serialize;

/// How long a client waits before it comes back, as the first lines of every stream.
pub(super) const RETRY: &str = "retry: 2000\n\n";

/// A line that says nothing but that the connection lives.
pub(super) const BEAT: &str = ": alive\n\n";

/// Appends an event. `data` becomes JSON, which has no line break outside of its strings and none as such inside.
pub(crate) fn write(out: &mut Vec<u8>, id: Option<&dyn Display>, name: Option<&str>, data: &impl Serialize) {
    if let Some(id) = id {
        out.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    serde_json::to_writer(&mut *out, data).expect("what we send has string keys, and memory takes every write");
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_lines_and_an_empty_one() {
        let mut out = Vec::new();
        write(&mut out, Some(&7), Some("done"), &"two\nlines");
        write(&mut out, None, None, &1);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "id: 7\nevent: done\ndata: \"two\\nlines\"\n\ndata: 1\n\n"
        );
    }
}

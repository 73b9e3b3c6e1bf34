//! The character encoding of a page.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// So many bytes are searched for a declaration, as the HTML standard has it.
const PRESCAN_BYTES: usize = 1024;

/// Decodes a page: by its byte order mark, else as UTF-8 where it is valid, else as its `meta` element says, else as
/// windows-1252, which reads everything. Bytes that stand for no character become U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark..]).0;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            declared(&bytes[..bytes.len().min(PRESCAN_BYTES)])
                .unwrap_or(WINDOWS_1252)
                .decode_without_bom_handling(bytes)
                .0
        }
    }
}

/// The encoding that `charset=…` names, in `<meta charset>` and `<meta http-equiv>` alike.
fn declared(start: &[u8]) -> Option<&'static Encoding> {
    let start = start.to_ascii_lowercase();
    let at = start.windows(7).position(|window| window == b"charset")? + 7;
    let rest = start[at..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let rest = rest
        .strip_prefix(b"\"")
        .or_else(|| rest.strip_prefix(b"'"))
        .unwrap_or(rest);
    let end = rest
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || b"\"';>/".contains(byte))
        .unwrap_or(rest.len());
    let encoding = Encoding::for_label(&rest[..end])?;
    // A declaration that can be read byte by byte is in no encoding of two bytes: the standard reads it as UTF-8.
    Some(if encoding == UTF_16BE || encoding == UTF_16LE {
        UTF_8
    } else {
        encoding
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_then_utf8_then_the_declaration_decide() {
        for (bytes, text) in [
            (&b"\xff\xfea\0\xe9\0"[..], "a\u{e9}"),
            (b"\xef\xbb\xbfa", "a"),
            ("<meta charset=latin1>\u{e9}".as_bytes(), "<meta charset=latin1>\u{e9}"),
            (b"<meta charset='iso-8859-2'>\xb1", "<meta charset='iso-8859-2'>\u{105}"),
            (
                b"<meta content=\"text/html; charset=koi8-r\">\xc1",
                "<meta content=\"text/html; charset=koi8-r\">\u{430}",
            ),
            (b"<meta charset=utf-16>\xe9", "<meta charset=utf-16>\u{fffd}"),
            (b"\x93caf\xe9\x94", "\u{201c}caf\u{e9}\u{201d}"),
        ] {
            assert_eq!(decode(bytes), text, "{bytes:?}");
        }
    }
}

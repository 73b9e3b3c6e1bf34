//! Personal data and secrets in a text, found by their form: where form alone would take too much for one, its checksum has to fit.
//!
//! Names and addresses of people have no form, and are not found.

mod contacts;
mod numbers;
mod secrets;

use std::ops::Range;

/// A kind of personal datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PersonalKind {
    /// A key or password of a service, by the way that it begins.
    Secret,
    /// An e-mail address.
    Email,
    /// A bank account, by its checksum.
    Iban,
    /// A payment card, by its checksum.
    Card,
    /// An IP address that is not the machine's own.
    Ip,
    /// A telephone number.
    Phone,
}

impl PersonalKind {
    /// Its name in placeholders.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Email => "email",
            Self::Iban => "iban",
            Self::Card => "card",
            Self::Ip => "ip",
            Self::Phone => "phone",
        }
    }

    /// What so many of them are called, for people.
    pub(super) fn counted(self, count: usize) -> String {
        let (one, many) = match self {
            Self::Secret => ("secret", "secrets"),
            Self::Email => ("e-mail address", "e-mail addresses"),
            Self::Iban => ("IBAN", "IBANs"),
            Self::Card => ("payment card", "payment cards"),
            Self::Ip => ("IP address", "IP addresses"),
            Self::Phone => ("telephone number", "telephone numbers"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }
}

/// A personal datum in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalDatum {
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// What it is.
    pub kind: PersonalKind,
}

/// Gives the length in bytes of what a text begins with, where that is of its kind.
type Reads = fn(&str) -> Option<usize>;

/// Of what is equally long the first is taken.
const KINDS: [(PersonalKind, Reads); 6] = [
    (PersonalKind::Secret, secrets::secret),
    (PersonalKind::Email, contacts::email),
    (PersonalKind::Iban, numbers::iban),
    (PersonalKind::Card, numbers::card),
    (PersonalKind::Ip, numbers::ip),
    (PersonalKind::Phone, contacts::phone),
];

/// What there is in `text`, from left to right, without overlaps. O(n).
#[must_use]
pub fn find(text: &str) -> Vec<PersonalDatum> {
    let mut found = Vec::new();
    let (mut from, mut before) = (0, None);
    for (at, letter) in text.char_indices() {
        let follows = before.replace(letter);
        if at < from || !begins(follows, letter) {
            continue;
        }
        let rest = &text[at..];
        let read = KINDS.iter().filter_map(|(kind, reads)| Some((*kind, reads(rest)?)));
        // Of two that begin here the longer one is what was written; of equals the first.
        let longest = read.reduce(|a, b| if b.1 > a.1 { b } else { a });
        if let Some((kind, length)) = longest.filter(|(_, length)| *length > 0) {
            from = at + length;
            let range = at..from;
            found.push(PersonalDatum { range, kind });
        }
    }
    found
}

/// Whether something may begin with `letter` behind `before`: not in the middle of a word or a number.
fn begins(before: Option<char>, letter: char) -> bool {
    let is_inner = |c: char| c.is_alphanumeric() || c == '_';
    match before {
        None => true,
        Some(before) if is_inner(before) => false,
        // `v1.2.3.4`, `0.5.1`, `x-4111…`: a part of something longer.
        Some('.' | '-') if letter.is_ascii_digit() => false,
        Some(':') if letter == ':' => false,
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = find(text);
        let found: Vec<_> = found
            .iter()
            .map(|datum| (datum.kind.name(), &text[datum.range.clone()]))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_is_personal_is_found_by_its_form() {
        check(
            "Write to ada.l+x@mail.example.org.",
            &[("email", "ada.l+x@mail.example.org")],
        );
        check(
            "<ada@example.com>, bob@b.de",
            &[("email", "ada@example.com"), ("email", "bob@b.de")],
        );
        check(
            "DE89 3704 0044 0532 0130 00 is mine",
            &[("iban", "DE89 3704 0044 0532 0130 00")],
        );
        check("IBAN:GB82WEST12345698765432", &[("iban", "GB82WEST12345698765432")]);
        check("card 4111 1111 1111 1111!", &[("card", "4111 1111 1111 1111")]);
        check("378282246310005", &[("card", "378282246310005")]);
        check("4111-1111-1111-1111 12 times", &[("card", "4111-1111-1111-1111")]);
        check(
            "from 203.0.113.7, and [2001:db8::1]:80",
            &[("ip", "203.0.113.7"), ("ip", "2001:db8::1")],
        );
        check("Call +49 (0)30 1234-5678 now", &[("phone", "+49 (0)30 1234-5678")]);
        check(
            "(555) 010-4477 or 555-010-4477",
            &[("phone", "(555) 010-4477"), ("phone", "555-010-4477")],
        );
        check("Tel. 030 / 901 820 11.", &[("phone", "030 / 901 820 11")]);
        check(
            "key sk-proj-abcDEF0123456789xyz.",
            &[("secret", "sk-proj-abcDEF0123456789xyz")],
        );
        check("AKIAIOSFODNN7EXAMPLE", &[("secret", "AKIAIOSFODNN7EXAMPLE")]);
        check(
            "t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz",
            &[("secret", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz")],
        );
        let block = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----";
        check(&format!("a {block} b"), &[("secret", block)]);
    }

    #[test]
    fn what_only_looks_alike_is_left_alone() {
        for text in [
            "4111 1111 1111 1112",
            "DE89370400440532013001",
            "on 2026-11-28 10:30:00 and 28.11.2026",
            "listens on 127.0.0.1:8080 and 0.0.0.0",
            "version 1.2.3, v1.2.3.4 and std::fmt",
            "300.1.2.3",
            "invoice 2024-000123, order 100200300400",
            "$1,000,000.00 for 10 000 requests",
            "ada@localhost, @ada, a @ b.com",
            "sk-learn, sk_test, ghp_short",
            "LF-4293 in 0.5 s, 1-2-3, 100-200-300",
            "018f3c1e-7b1a-7c3d-9e2f-0123456789ab",
        ] {
            check(text, &[]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_overlaps(text in "([0-9 +().:/-]{0,30}|[a-z@.-]{0,20}|[A-Z]{2}[0-9]{2}|sk-|\\PC{0,10}){0,6}") {
            let mut from = 0;
            for datum in find(&text) {
                prop_assert!(datum.range.start >= from && datum.range.end > datum.range.start);
                prop_assert!(text.get(datum.range.clone()).is_some());
                from = datum.range.end;
            }
        }
    }
}

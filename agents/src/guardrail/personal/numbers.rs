//! Numbers with a checksum or a fixed form: bank accounts, payment cards, IP addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IBAN, in one piece or in groups of four.
pub(super) fn iban(text: &str) -> Option<usize> {
    const LENGTH: std::ops::RangeInclusive<usize> = 15..=34;
    let bytes = text.as_bytes();
    let begins = bytes.len() >= 15
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit);
    if !begins {
        return None;
    }
    // What may be one, at its longest; words behind it look like groups of it.
    let mut letters: Vec<(u8, usize)> = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_digit() || byte.is_ascii_uppercase() {
            letters.push((byte, at + 1));
        } else if byte != b' ' || !letters.len().is_multiple_of(4) {
            break;
        }
        if letters.len() == *LENGTH.end() {
            break;
        }
    }
    (*LENGTH.start()..=letters.len()).rev().find_map(|length| {
        let (account, end) = (&letters[..length], letters[length - 1].1);
        let goes_on = text[end..].starts_with(|next: char| next.is_alphanumeric());
        (!goes_on && is_iban(account)).then_some(end)
    })
}

/// ISO 13616: the first four behind the rest, letters as numbers from 10 on, is 1 modulo 97.
fn is_iban(letters: &[(u8, usize)]) -> bool {
    let turned = letters[4..].iter().chain(&letters[..4]);
    let rest = turned.fold(0_u32, |rest, (byte, _)| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    rest == 1
}

/// A payment card: 13 to 19 digits, in one piece or in groups as they stand on cards, whose last digit is that of Luhn.
pub(super) fn card(text: &str) -> Option<usize> {
    if !text.starts_with(['2', '3', '4', '5', '6']) {
        return None;
    }
    const GROUPS: [&[usize]; 4] = [&[4, 4, 4, 4], &[4, 4, 4, 4, 3], &[4, 6, 5], &[4, 6, 4]];
    let (mut digits, mut sizes, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let mut is_new = true;
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_digit() {
            if is_new {
                sizes.push(0);
                ends.push(at);
            }
            digits.push(u32::from(byte - b'0'));
            if let (Some(size), Some(end)) = (sizes.last_mut(), ends.last_mut()) {
                (*size, *end) = (*size + 1, at + 1);
            }
            is_new = false;
        } else if matches!(byte, b' ' | b'-') && !is_new {
            is_new = true;
        } else {
            break;
        }
        if digits.len() > 19 {
            break;
        }
    }
    // Behind a card there may be another number.
    (1..=sizes.len()).rev().find_map(|count| {
        let (sizes, end) = (&sizes[..count], ends[count - 1]);
        let digits = &digits[..sizes.iter().sum()];
        let is_card = (13..=19).contains(&digits.len()) && (count == 1 || GROUPS.contains(&sizes)) && is_luhn(digits);
        let goes_on = text[end..].starts_with(|next: char| next.is_alphanumeric());
        (is_card && !goes_on).then_some(end)
    })
}

fn is_luhn(digits: &[u32]) -> bool {
    let doubled = |(place, digit): (usize, &u32)| match (place % 2, digit * 2) {
        (1, double) if double > 9 => double - 9,
        (1, double) => double,
        _ => *digit,
    };
    digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

/// An IP address that is not the machine's own, which is nobody's.
pub(super) fn ip(text: &str) -> Option<usize> {
    let run = text
        .bytes()
        .take(46)
        .take_while(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        .count();
    let candidate = text[..run].trim_end_matches('.');
    // A port behind an address of version 4.
    let candidate = match candidate.split_once(':') {
        Some((address, _)) if address.contains('.') => address,
        _ => candidate,
    };
    let address: IpAddr = if candidate.contains(':') {
        let candidate: Ipv6Addr = candidate.trim_end_matches(':').parse().ok()?;
        candidate.into()
    } else {
        candidate.parse::<Ipv4Addr>().ok()?.into()
    };
    let length = candidate.trim_end_matches(':').len();
    let has_digit = candidate.bytes().any(|byte| byte.is_ascii_digit());
    let goes_on = text[length..].starts_with(|next: char| next.is_alphanumeric() || next == '_');
    (has_digit && !goes_on && !address.is_loopback() && !address.is_unspecified()).then_some(length)
}

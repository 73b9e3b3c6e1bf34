//! How people are reached: e-mail addresses and telephone numbers.

/// The parts of an e-mail address have no more bytes than this.
const PART_BYTES_MAX: usize = 255;

/// An e-mail address with a domain that has a dot.
pub(super) fn email(text: &str) -> Option<usize> {
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let local = text
        .bytes()
        .take(PART_BYTES_MAX)
        .take_while(|byte| is_local(*byte))
        .count();
    if local == 0 || !text.as_bytes()[0].is_ascii_alphanumeric() {
        return None;
    }
    let domain = text[local..].strip_prefix('@')?;
    let length = domain
        .bytes()
        .take(PART_BYTES_MAX)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        .count();
    let domain = domain[..length].trim_end_matches(['.', '-']);
    let (name, top) = domain.rsplit_once('.')?;
    let is_top = top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic());
    (is_top && !name.is_empty()).then_some(local + 1 + domain.len())
}

/// A telephone number: international, or in groups as people write them.
pub(super) fn phone(text: &str) -> Option<usize> {
    if !text.starts_with(['+', '(', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) {
        return None;
    }
    let number = Number::read(text);
    let digits: usize = number.groups.iter().map(String::len).sum();
    let sizes: Vec<usize> = number.groups.iter().map(String::len).collect();
    let is_phone = if text.starts_with('+') {
        (8..=15).contains(&digits)
    } else if number.groups.first().is_some_and(|first| first.starts_with("00")) {
        (10..=16).contains(&digits)
    } else if sizes == [3, 3, 4] {
        number.is_tight
    } else {
        let begins = number.groups.first();
        begins.is_some_and(|first| first.starts_with('0') && (2..=6).contains(&first.len()))
            && sizes.len() >= 2
            && (9..=13).contains(&digits)
    };
    is_phone.then_some(number.length)
}

/// Digits in groups.
struct Number {
    groups: Vec<String>,
    /// In bytes, up to the last digit.
    length: usize,
    /// Whether one mark alone stands between groups, or a bracket with a space: no list of numbers looks like that.
    is_tight: bool,
}

impl Number {
    /// At most 16 digits from the start of `text` on, with at most three marks between groups.
    fn read(text: &str) -> Self {
        let mut groups: Vec<String> = Vec::new();
        let (mut length, mut digits) = (0, 0);
        let mut between = String::new();
        let mut is_tight = true;
        for (at, letter) in text.char_indices() {
            if letter.is_ascii_digit() {
                if digits == 16 {
                    break;
                }
                if groups.is_empty() || !between.is_empty() {
                    is_tight &= groups.is_empty() || matches!(between.as_str(), "-" | "." | " " | ") " | ")");
                    groups.push(String::new());
                    between.clear();
                }
                if let Some(group) = groups.last_mut() {
                    group.push(letter);
                }
                digits += 1;
                length = at + 1;
            } else if at == 0 && letter == '+'
                || matches!(letter, ' ' | '-' | '.' | '/' | '(' | ')') && between.len() < 3
            {
                if at > 0 || letter == '(' {
                    between.push(letter);
                }
            } else {
                break;
            }
        }
        // A word or a longer number goes on behind it.
        if text[length..].starts_with(|next: char| next.is_alphanumeric()) {
            groups.clear();
        }
        Self {
            groups,
            length,
            is_tight,
        }
    }
}

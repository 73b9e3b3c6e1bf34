//! Keys of services, by how they begin.

/// How keys begin, and how many bytes stand behind that at least.
const PREFIXES: &[(&str, usize)] = &[
    ("sk-", 16),
    ("sk_live_", 12),
    ("sk_test_", 12),
    ("rk_live_", 12),
    ("rk_test_", 12),
    ("whsec_", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("ghu_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xapp-", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("hf_", 24),
    ("npm_", 24),
    ("dckr_pat_", 16),
    ("SG.", 32),
    ("ya29.", 20),
    ("eyJ", 30),
];
const BLOCK: [&str; 2] = ["-----BEGIN ", "-----END "];
const DASHES: &str = "-----";

/// A key: a known beginning, then letters and digits, of the latter one at least; or a block of a private key.
pub(super) fn secret(text: &str) -> Option<usize> {
    if text.starts_with(BLOCK[0]) {
        return block(text);
    }
    let (prefix, rest_min) = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix))?;
    let rest = &text[prefix.len()..];
    let length = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'='))
        .count();
    let rest = rest[..length].trim_end_matches(['.', '-', '_']);
    let is_token = *prefix != "eyJ" || rest.matches('.').count() == 2;
    let is_key = rest.len() >= *rest_min && rest.bytes().any(|byte| byte.is_ascii_digit()) && is_token;
    is_key.then_some(prefix.len() + rest.len())
}

fn block(text: &str) -> Option<usize> {
    let head = text.lines().next()?;
    if !head.contains("PRIVATE KEY") {
        return None;
    }
    // Without its end all that follows is taken for it.
    let Some(end) = text.find(BLOCK[1]) else {
        return Some(text.len());
    };
    let after = end + BLOCK[1].len();
    let close = text[after..]
        .find(DASHES)
        .map_or(text.len(), |at| after + at + DASHES.len());
    Some(close)
}

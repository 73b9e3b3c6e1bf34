//! Just enough of PromQL to take an expression apart: which series it is built from, and where it compares.

/// A piece of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    /// A name: of a metric, a function, a keyword.
    Word(&'a str),
    /// `{…}` with its braces.
    Matchers(&'a str),
    /// A comparison.
    Comparison(&'a str),
    /// Anything else: white space, numbers, durations, strings, brackets, arithmetic.
    Other(&'a str),
}

impl<'a> Piece<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Word(text) | Self::Matchers(text) | Self::Comparison(text) | Self::Other(text) => text,
        }
    }

    fn is_space(self) -> bool {
        self.text().trim().is_empty()
    }
}

/// The length of what `rest` begins with up to and with `end`, strings taken as they are.
fn closed_by(rest: &str, end: char) -> usize {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some('"' | '\'') if c == '\\' => is_escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == end => return at + c.len_utf8(),
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None => {}
        }
    }
    panic!("{end} is missing in {rest}");
}

/// The length of the string that `rest` begins with.
fn string(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if quote != '`' => is_escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    panic!("a string has no end: {rest}");
}

fn run(rest: &str, belongs: impl Fn(char) -> bool) -> usize {
    rest.find(|c: char| !belongs(c)).unwrap_or(rest.len())
}

fn pieces(expression: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        let length = match first {
            '{' => closed_by(rest, '}'),
            '[' => closed_by(rest, ']'),
            '"' | '\'' | '`' => string(rest, first),
            '0'..='9' | '.' => run(rest, |c| c.is_ascii_alphanumeric() || c == '.'),
            c if c.is_ascii_alphabetic() || matches!(c, '_' | ':') => run(rest, is_name),
            c if c.is_whitespace() => run(rest, char::is_whitespace),
            '=' | '!' | '<' | '>' => run(rest, |c| matches!(c, '=' | '!' | '<' | '>')),
            c => c.len_utf8(),
        };
        let (piece, behind) = rest.split_at(length);
        pieces.push(match first {
            '{' => Piece::Matchers(piece),
            '=' | '!' | '<' | '>' => Piece::Comparison(piece),
            c if c.is_ascii_alphabetic() || matches!(c, '_' | ':') => Piece::Word(piece),
            _ => Piece::Other(piece),
        });
        rest = behind;
    }
    pieces
}

/// What is followed by a list of labels in parentheses.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// What else is a word and no metric.
const KEYWORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// The series that an expression is built from: each metric with its matchers, without range.
pub(crate) fn selectors(expression: &str) -> Vec<String> {
    let pieces: Vec<Piece<'_>> = pieces(expression)
        .into_iter()
        .filter(|piece| !piece.is_space())
        .collect();
    let mut found = Vec::new();
    let mut in_list = false;
    for (at, piece) in pieces.iter().enumerate() {
        let next = pieces.get(at + 1).copied();
        match *piece {
            Piece::Other(")") => in_list = false,
            Piece::Word(word) if LISTS.contains(&word) => in_list = next == Some(Piece::Other("(")),
            Piece::Word(_) if in_list => {}
            Piece::Word(word) if KEYWORDS.contains(&word) => {}
            // A function; or an aggregation whose labels stand before what it aggregates.
            Piece::Word(_) if next == Some(Piece::Other("(")) => {}
            Piece::Word(_) if matches!(next, Some(Piece::Word("by" | "without"))) => {}
            Piece::Word(metric) => match next {
                Some(Piece::Matchers(matchers)) => found.push(format!("{metric}{matchers}")),
                _ => found.push(metric.to_owned()),
            },
            Piece::Matchers(_) | Piece::Comparison(_) | Piece::Other(_) => {}
        }
    }
    found
}

/// The metric of a selector.
pub(crate) fn metric(selector: &str) -> &str {
    selector.split('{').next().unwrap_or(selector)
}

/// The expression of an alert, made to give a value whether it fires or not. A comparison leaves out what it does not hold
/// for; with `bool` behind it gives 1 or 0 for exactly the same series. `absent(x)` gives a value only where there is no `x`:
/// what it is built from is `x`. All else stays as it is, so no value means that the alert can never fire.
pub(crate) fn comparing(expression: &str) -> String {
    let mut out = String::new();
    for piece in pieces(expression) {
        match piece {
            Piece::Word("absent") => {}
            Piece::Word("unless") => panic!("`unless` cannot be looked into: say it with `and`: {expression}"),
            Piece::Comparison(comparison) => {
                out.push_str(comparison);
                out.push_str(" bool");
            }
            Piece::Word(_) | Piece::Matchers(_) | Piece::Other(_) => out.push_str(piece.text()),
        }
    }
    out
}

#[test]
fn an_expression_is_taken_apart_into_its_series() {
    let check = |expression: &str, expected: &[&str]| assert_eq!(selectors(expression), expected, "{expression}");
    check(r#"up{job="a"} == 0"#, &[r#"up{job="a"}"#]);
    check(
        r#"sum by (job, le) (rate(a_total{b=~"x|}"}[5m])) / on (job) group_left (v) 14.4 * c:d:e5m offset 1h"#,
        &[r#"a_total{b=~"x|}"}"#, "c:d:e5m"],
    );
    check("histogram_quantile(0.95, sum by (le) (a_bucket))", &["a_bucket"]);
    check("min_over_time(a[10m]) > 0 and on (job) b or vector(0)", &["a", "b"]);
    check("count(count by (v) (a)) > 1", &["a"]);
}

#[test]
fn a_comparison_gives_a_value_whether_it_holds_or_not() {
    let check = |expression: &str, expected: &str| assert_eq!(comparing(expression), expected);
    check(
        r#"a{b!="c"} > 14.4 * 0.005 and c <= 5"#,
        r#"a{b!="c"} > bool 14.4 * 0.005 and c <= bool 5"#,
    );
    check(r#"absent(up{job="a"})"#, r#"(up{job="a"})"#);
}

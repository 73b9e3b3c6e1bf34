//! Whether a text holds another one, without regard to case.
//!
//! What engines call lower case depends on their locale, and with SQLite ends at ASCII. So letters beyond it are looked for as
//! sets of their cases, which both engines know patterns for; ASCII alone takes the faster way.

use sea_orm::{
    DbBackend,
    sea_query::{
        Expr, ExprTrait, LikeExpr,
        extension::{
            postgres::{PgBinOper, PgExpr},
            sqlite::SqliteExpr,
        },
    },
};

/// Whether `column` holds `searched`.
pub(crate) fn holds(backend: DbBackend, column: Expr, searched: &str) -> Expr {
    let is_postgres = backend == DbBackend::Postgres;
    // No pattern can hold it, and no text of PostgreSQL.
    let searched = &searched.replace('\0', "\u{fffd}");
    if searched.is_ascii() {
        let like = LikeExpr::new(like_pattern(searched));
        return if is_postgres {
            // A backslash is what it escapes by.
            column.ilike(like)
        } else {
            // SQLite's LIKE has no regard to the case of ASCII, and escapes by nothing unless told.
            column.like(like.escape('\\'))
        };
    }
    if is_postgres {
        column.binary(PgBinOper::Regex, regex(searched))
    } else {
        column.glob(glob(searched))
    }
}

fn like_pattern(searched: &str) -> String {
    let mut pattern = String::from("%");
    for c in searched.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

fn glob(searched: &str) -> String {
    let mut pattern = String::from("*");
    for c in searched.chars() {
        let cases = cases(c);
        if cases.len() > 1 || matches!(c, '*' | '?' | '[') {
            pattern.extend(std::iter::once('[').chain(cases).chain(std::iter::once(']')));
        } else {
            pattern.push(c);
        }
    }
    pattern + "*"
}

fn regex(searched: &str) -> String {
    let mut pattern = String::new();
    for c in searched.chars() {
        let cases = cases(c);
        if cases.len() > 1 {
            pattern.extend(std::iter::once('[').chain(cases).chain(std::iter::once(']')));
        } else {
            if c.is_ascii() && !c.is_ascii_alphanumeric() {
                pattern.push('\\');
            }
            pattern.push(c);
        }
    }
    pattern
}

/// A character and its other cases, as far as they are single characters.
fn cases(c: char) -> Vec<char> {
    let mut cases = vec![c];
    let lower: Vec<char> = c.to_lowercase().collect();
    let upper: Vec<char> = c.to_uppercase().collect();
    for case in [lower, upper] {
        if let [case] = case[..]
            && cases.iter().all(|known| *known != case)
        {
            cases.push(case);
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_patterns_mean_by_a_character_is_not_meant_here() {
        assert_eq!(like_pattern(r"50%_\"), r"%50\%\_\\%");
        assert_eq!(glob("ü*[a]?"), "*[üÜ][*][[][aA]][?]*");
        assert_eq!(regex("ß.(ü)"), r"ß\.\([üÜ]\)");
    }
}

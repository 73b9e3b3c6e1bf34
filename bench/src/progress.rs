//! Words for who waits.

use std::io::{Write, stderr};

/// Says something on standard error: standard output is for results.
pub(crate) fn say(text: &str) {
    // Who closed it does not want to hear.
    writeln!(stderr(), "{text}").ok();
}

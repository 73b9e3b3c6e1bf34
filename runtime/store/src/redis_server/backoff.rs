//! The time between attempts.

use std::time::Duration;

/// Time to wait before the next attempt: doubled each time, from a tenth of a second up to five.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(5);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(FIRST)
    }

    /// Waits before the next attempt.
    pub(crate) async fn wait(&mut self) {
        let pause = self.0;
        self.0 = (pause * 2).min(LAST);
        tokio::time::sleep(pause).await;
    }

    /// An attempt has succeeded.
    pub(crate) fn reset(&mut self) {
        self.0 = FIRST;
    }
}

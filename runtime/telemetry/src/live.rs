//! A gauge's share that ends with its owner.

use prometheus::IntGauge;

/// Counts as one in a gauge for as long as it is kept: also a panic or a task that is dropped gives it back.
#[derive(Debug)]
#[must_use = "it counts only while it is kept"]
pub struct Live(IntGauge);

impl Live {
    pub(crate) fn enter(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.dec();
    }
}

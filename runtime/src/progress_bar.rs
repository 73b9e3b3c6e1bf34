//! How far a command is, on a terminal: what is done, of how much, and how long the rest will take.
//!
//! Where standard error is no terminal nothing is drawn.

use std::{fmt, time::Duration};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle};
use orchestratai_agents::knowledge::{Progress, Watch, Work};

const COUNTED: &str = "{msg} {bar:30} {human_pos} of {human_len}{left}";
const UNCOUNTED: &str = "{msg} {spinner} {elapsed}";
/// Often enough that the time that is left is seen to pass.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// One line that tells how far work is; gone when the work has ended.
pub(crate) struct ProgressLine(ProgressBar);

impl ProgressLine {
    /// A line on standard error.
    pub(crate) fn on_stderr() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }

    fn on(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(None, target)
            .with_finish(ProgressFinish::AndClear)
            .with_style(style(UNCOUNTED));
        if !bar.is_hidden() {
            bar.enable_steady_tick(DRAW_EVERY);
        }
        Self(bar)
    }

    /// What shows progress on this line.
    pub(crate) fn watch(&self) -> Watch {
        let bar = self.0.clone();
        Watch::new(move |progress| show(&bar, progress))
    }

    /// Says what is waited for, where nobody counts how far it is.
    pub(crate) fn wait_for(&self, what: &'static str) {
        self.0.set_style(style(UNCOUNTED));
        self.0.reset();
        self.0.set_message(what);
    }

    /// Takes the line away, so that what is printed next does not stand behind it.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn show(bar: &ProgressBar, progress: Progress) {
    // Several threads count: only the first of a piece of work is told with nothing done.
    if progress.done == 0 {
        bar.reset();
        bar.set_length(progress.of as u64);
        bar.set_message(match progress.work {
            Work::Files => "reading files",
            Work::Chunks => "the transformer reads chunks",
        });
        bar.set_style(style(COUNTED).with_key("left", write_left));
    } else {
        // What is told late of one thread must not take back what another has told.
        bar.set_position(bar.position().max(progress.done as u64));
    }
}

/// How long the rest will take if it goes on as it went. The library's own estimate grows without bound while a piece of work is not
/// yet told, which is a second here.
fn write_left(state: &ProgressState, out: &mut dyn fmt::Write) {
    if let Some(left) = left(state.elapsed(), state.pos(), state.len().unwrap_or_default()) {
        // Nobody can be told of it here, and a line without an estimate is still true.
        let _ = write!(out, ", {} left", HumanDuration(left));
    }
}

/// What is not known before anything is done.
fn left(elapsed: Duration, done: u64, of: u64) -> Option<Duration> {
    let rest = of.saturating_sub(done);
    (done > 0).then(|| elapsed.mul_f64(rest as f64 / done as f64))
}

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [COUNTED, UNCOUNTED] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn what_is_left_goes_on_as_it_went() {
        let ten = Duration::from_secs(10);
        assert_eq!(left(ten, 0, 400), None);
        assert_eq!(left(ten, 100, 400), Some(Duration::from_secs(30)));
        assert_eq!(left(ten, 400, 400), Some(Duration::ZERO));
        assert_eq!(left(ten, 400, 0), Some(Duration::ZERO));
    }

    #[test]
    fn each_piece_of_work_begins_anew_and_never_goes_back() {
        let line = ProgressLine::on(ProgressDrawTarget::hidden());
        let tell = |work, done, of| show(&line.0, Progress { work, done, of });
        let shown = || (line.0.message(), line.0.position(), line.0.length());
        tell(Work::Files, 0, 3);
        tell(Work::Files, 3, 3);
        tell(Work::Files, 2, 3);
        assert_eq!(shown(), ("reading files".to_owned(), 3, Some(3)));
        line.wait_for("making the documents searchable");
        assert_eq!((shown().0.as_str(), shown().1), ("making the documents searchable", 0));
        tell(Work::Chunks, 0, 512);
        tell(Work::Chunks, 256, 512);
        assert_eq!(shown(), ("the transformer reads chunks".to_owned(), 256, Some(512)));
    }
}

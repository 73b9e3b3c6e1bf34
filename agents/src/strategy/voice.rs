//! What a responder says, and whether it has begun to speak.

use orchestratai_shared::{LogData, LogStatus};

use crate::turn::{Gone, Step, Steps};

/// Sends the steps of one turn, and knows whether a part of the answer has left.
pub(super) struct Voice<'a> {
    steps: &'a Steps,
    spoke: bool,
}

impl<'a> Voice<'a> {
    pub(super) fn new(steps: &'a Steps) -> Self {
        Self { steps, spoke: false }
    }

    pub(super) async fn log(&self, title: impl Into<String>, status: LogStatus, data: LogData) -> Result<(), Gone> {
        self.steps
            .send(Step::Log {
                title: title.into(),
                status,
                data,
            })
            .await
    }

    pub(super) async fn say(&mut self, piece: String) -> Result<(), Gone> {
        self.spoke = true;
        self.steps.send(Step::Delta(piece)).await
    }

    /// Withdraws what was said, if anything was.
    pub(super) async fn withdraw(&mut self, reason: &str) -> Result<(), Gone> {
        if std::mem::take(&mut self.spoke) {
            self.steps.send(Step::Reset { reason: reason.into() }).await?;
        }
        Ok(())
    }
}

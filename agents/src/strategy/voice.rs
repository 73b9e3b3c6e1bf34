//! What a responder says, and whether it has begun to speak.

use orchestratai_shared::{LogData, LogStatus, event::ToolCall};

use crate::turn::{Durable, Gone, Step, Steps};

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
                agent: None,
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

    /// Passes on what was done by somebody who has no voice of their own.
    pub(super) async fn pass_on(&self, step: Step) -> Result<(), Gone> {
        self.steps.send(step).await
    }

    /// Records what becomes of calls, and waits until that is durable: what has an effect is on record before it has it.
    pub(super) async fn record(&self, calls: Vec<ToolCall>) -> Result<(), Gone> {
        let mut recorded = Vec::with_capacity(calls.len());
        for call in calls {
            let durable = Durable::default();
            recorded.push(durable.clone());
            let call = Box::new(call);
            self.steps.send(Step::ToolCall { call, durable }).await?;
        }
        // One commit, most often, for all of them.
        for durable in recorded {
            durable.wait().await;
        }
        Ok(())
    }

    /// Withdraws what was said, if anything was.
    pub(super) async fn withdraw(&mut self, reason: &str) -> Result<(), Gone> {
        if std::mem::take(&mut self.spoke) {
            self.steps.send(Step::Reset { reason: reason.into() }).await?;
        }
        Ok(())
    }
}

//! A model with those that stand in for it: where one fails, what it has said is withdrawn, and the next one answers from the start.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{Model, ModelError, ModelEvent, ModelStream, ModelTask};
use crate::turn::UsageMeter;

/// A model and its stand-ins, in the order in which they are asked.
pub struct Chain {
    first: Arc<dyn Model>,
    stand_ins: Vec<Arc<dyn Model>>,
}

impl Chain {
    /// `first`, and who is asked where it fails.
    #[must_use]
    pub fn new(first: Arc<dyn Model>, stand_ins: Vec<Arc<dyn Model>>) -> Self {
        Self { first, stand_ins }
    }

    fn model(&self, place: usize) -> Option<&Arc<dyn Model>> {
        match place.checked_sub(1) {
            None => Some(&self.first),
            Some(place) => self.stand_ins.get(place),
        }
    }
}

impl Model for Chain {
    fn name(&self) -> &str {
        self.first.name()
    }

    fn takes_facts(&self) -> bool {
        self.first.takes_facts()
    }

    fn calls_tools(&self) -> bool {
        self.first.calls_tools()
    }

    fn answer<'a>(&'a self, task: ModelTask<'a>, meter: &'a UsageMeter) -> ModelStream<'a> {
        let asking = Asking {
            chain: self,
            task,
            meter,
            place: 0,
            stream: self.first.answer(task, meter),
            has_ended: false,
        };
        Box::pin(stream::unfold(asking, |mut asking| async move {
            let event = asking.next().await?;
            Some((event, asking))
        }))
    }
}

struct Asking<'a> {
    chain: &'a Chain,
    task: ModelTask<'a>,
    meter: &'a UsageMeter,
    place: usize,
    stream: ModelStream<'a>,
    has_ended: bool,
}

impl Asking<'_> {
    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        if self.has_ended {
            return None;
        }
        match self.stream.next().await.unwrap_or(Err(ModelError::CutShort)) {
            Ok(ModelEvent::Finished(mut outcome)) => {
                self.has_ended = true;
                outcome.is_for_once |= self.place > 0;
                Some(Ok(ModelEvent::Finished(outcome)))
            }
            Ok(ModelEvent::Paused(pause)) => {
                self.has_ended = true;
                Some(Ok(ModelEvent::Paused(pause)))
            }
            Ok(event) => Some(Ok(event)),
            Err(error) => match self.chain.model(self.place + 1) {
                None => {
                    self.has_ended = true;
                    Some(Err(error))
                }
                Some(next) => {
                    let failed = self.chain.model(self.place).map_or("", |model| model.name());
                    let withdrawn = ModelEvent::Withdrawn {
                        title: format!("{} answers in place of {failed}", next.name()),
                        reason: match error {
                            ModelError::OverBudget { reason, .. } => format!("{failed} was not asked: {reason}."),
                            error @ (ModelError::Upstream { .. } | ModelError::CutShort) => {
                                format!("{failed} failed: {error}.")
                            }
                        },
                    };
                    self.place += 1;
                    self.stream = next.answer(self.task, self.meter);
                    Some(Ok(withdrawn))
                }
            },
        }
    }
}

//! As one JSON object.

use orchestratai_shared::{EventBody, MessageId};
use serde::Serialize;

use super::{PAGE, Progress, SessionExport};
use crate::{StoreError, feedback, page};

/// What comes next.
#[derive(Debug)]
pub(super) enum Part {
    Session,
    Messages(List<u64>),
    Feedback(List<Option<MessageId>>),
    Logs(List<u64>),
    Events(List<u64>),
}

/// A list that has been begun.
#[derive(Debug, Default)]
pub(super) struct List<P> {
    /// The place that it has come to: a `seq`, or a message.
    after: P,
    has_items: bool,
}

impl<P> List<P> {
    /// Adds an item that is JSON already.
    fn add(&mut self, piece: &mut String, item: &str) {
        *piece += if self.has_items { ",\n" } else { "\n" };
        *piece += item;
        self.has_items = true;
    }
}

impl SessionExport {
    pub(super) async fn json(&self, part: Part) -> Result<(String, Progress), StoreError> {
        let mut piece = String::new();
        let next = match part {
            Part::Session => {
                piece = format!("{{\n\"session\": {},\n\"messages\": [", text(&self.summary)?);
                Part::Messages(List::default())
            }
            Part::Messages(mut list) => {
                let messages = page::messages_after(&self.store, self.id(), list.after, self.last_seq, PAGE).await?;
                for (seq, message) in &messages {
                    list.add(&mut piece, &text(message)?);
                    list.after = *seq;
                }
                if messages.is_empty() {
                    piece += "\n],\n\"feedback\": [";
                    Part::Feedback(List::default())
                } else {
                    Part::Messages(list)
                }
            }
            Part::Feedback(mut list) => {
                let found = feedback::feedback_after(self.store.readers(), self.id(), list.after, PAGE).await?;
                for feedback in &found {
                    list.add(&mut piece, &text(feedback)?);
                    list.after = Some(feedback.message_id);
                }
                if found.is_empty() {
                    piece += "\n],\n\"logs\": [";
                    Part::Logs(List::default())
                } else {
                    Part::Feedback(list)
                }
            }
            Part::Logs(mut list) => {
                let frames = self.events(list.after).await?;
                for frame in &frames {
                    if frame.text.contains("\"retrieval_log\"")
                        && let EventBody::RetrievalLog(log) = frame.event()?.body
                    {
                        list.add(&mut piece, &text(&log)?);
                    }
                    list.after = frame.seq;
                }
                if frames.is_empty() {
                    piece += "\n],\n\"events\": [";
                    Part::Events(List::default())
                } else {
                    Part::Logs(list)
                }
            }
            Part::Events(mut list) => {
                let frames = self.events(list.after).await?;
                for frame in &frames {
                    // As it was sent, byte by byte.
                    list.add(&mut piece, &frame.text);
                    list.after = frame.seq;
                }
                if frames.is_empty() {
                    piece += "\n]\n}\n";
                    return Ok((piece, Progress::Done));
                }
                Part::Events(list)
            }
        };
        Ok((piece, Progress::Json(next)))
    }
}

fn text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unreadable {
        what: "session",
        source: error.into(),
    })
}

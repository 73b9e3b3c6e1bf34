//! One tree of spans for each turn.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use orchestratai_shared::{SessionId, TurnId};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt},
    registry::LookupSpan,
};

use crate::house::{House, Obedient, settings};

/// What is known of a span: its name, its parent, its fields.
#[derive(Debug, Clone, Default)]
struct Seen {
    name: &'static str,
    parent: Option<Id>,
    fields: HashMap<&'static str, String>,
    is_closed: bool,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.fields
            .insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

/// Keeps every span that there was.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<HashMap<u64, Seen>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Kept {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut seen = Seen {
            name: attributes.metadata().name(),
            parent: context
                .span(id)
                .and_then(|span| span.parent())
                .map(|parent| parent.id()),
            ..Seen::default()
        };
        attributes.record(&mut seen);
        self.0.lock().unwrap().insert(id.into_u64(), seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(seen) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(seen);
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        if let Some(seen) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            seen.is_closed = true;
        }
    }
}

impl Kept {
    /// A turn's root span and its children, once the turn is over.
    async fn tree_of(&self, turn: TurnId) -> (Seen, Vec<Seen>) {
        loop {
            let spans = self.0.lock().unwrap().clone();
            let root = spans.iter().find_map(|(id, seen)| {
                let is_it = seen.name == "turn" && seen.fields.get("turn.id") == Some(&turn.to_string());
                is_it.then_some((Id::from_u64(*id), seen.clone()))
            });
            let (id, root) = root.expect("the turn has a span");
            if root.is_closed {
                let children = spans.into_values().filter(|seen| seen.parent.as_ref() == Some(&id));
                return (root, children.collect());
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

#[actix_rt::test]
async fn a_turn_has_one_tree_of_spans_from_its_request_to_its_end() {
    let kept = Kept::default();
    // The arbiters' threads have it too; the turns of other tests, which are in it, are told apart by their sessions.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(kept.clone())).unwrap();
    let house = House::start(settings(), Arc::new(Obedient)).await;
    let session_id = SessionId::new();
    let turn = house.say(session_id, "how much is the invoice?").await;
    house.events(turn).await;

    let (root, children) = kept.tree_of(turn).await;
    assert_eq!(root.parent, None);
    assert_eq!(root.fields["session.id"], session_id.to_string());
    assert_eq!(root.fields["request.id"], "test");
    assert_eq!(root.fields["outcome"], "completed");
    assert_eq!(root.fields["agent.id"], "billing");
    let named = |name: &str| children.iter().filter(|seen| seen.name == name).collect::<Vec<_>>();
    let (routes, runs, commits) = (named("route"), named("run"), named("commit"));
    assert_eq!((routes.len(), runs.len()), (1, 1), "{children:?}");
    assert_eq!(runs[0].fields["agent.id"], "billing");
    // The first event's, the last one's, and maybe some between.
    assert!(commits.len() >= 2, "{children:?}");
    assert_eq!(children.len(), 2 + commits.len(), "{children:?}");
    assert!(children.iter().all(|seen| seen.is_closed), "{children:?}");

    // A turn that fails says so, and so do its runs.
    let turn = house.say(session_id, "fail with the invoice").await;
    house.events(turn).await;
    let (root, children) = kept.tree_of(turn).await;
    assert_eq!(root.fields["outcome"], "failed");
    assert_eq!(root.fields["error.code"], "TIMEOUT");
    let runs: Vec<_> = children.iter().filter(|seen| seen.name == "run").collect();
    assert!(!runs.is_empty());
    assert!(runs.iter().all(|run| run.fields["error.code"] == "TIMEOUT"), "{runs:?}");
}

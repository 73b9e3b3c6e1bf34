//! What arrives in an inbox, and whether something is missing. Pure.

use std::collections::HashMap;

use uuid::Uuid;

use super::{BusEvent, entry::Entry};
use crate::NodeId;

/// How far the channels to this node are.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    channels: HashMap<NodeId, Channel>,
}

#[derive(Debug)]
struct Channel {
    id: Uuid,
    /// The place of the line that comes next.
    next: u64,
}

impl Inbox {
    /// Takes an entry, and gives what is told of it: its lines, without those that were there before, and before them that
    /// others are missing.
    pub(super) fn take(&mut self, entry: &Entry) -> Vec<BusEvent> {
        let mut events = Vec::new();
        let known = self.channels.get(&entry.from).filter(|known| known.id == entry.channel);
        // Of a channel that begins nothing was missed, unless there was one before it that broke.
        let next = match known {
            Some(known) => known.next,
            None => {
                if entry.first > 0 || self.channels.contains_key(&entry.from) {
                    events.push(BusEvent::Broken(entry.from));
                }
                entry.first
            }
        };
        if known.is_some() && entry.first > next {
            events.push(BusEvent::Broken(entry.from));
        }
        let next = next.max(entry.first);
        let mut place = entry.first;
        for line in entry.lines.split('\n') {
            if place >= next {
                events.push(BusEvent::Message {
                    from: entry.from,
                    body: entry.lines.slice_ref(line),
                });
            }
            place += 1;
        }
        let next = next.max(place);
        self.channels.insert(
            entry.from,
            Channel {
                id: entry.channel,
                next,
            },
        );
        events
    }

    /// Forgets those who are gone.
    pub(super) fn keep(&mut self, nodes: &[NodeId]) {
        self.channels.retain(|node, _| nodes.contains(node));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(from: NodeId, channel: Uuid, first: u64, lines: &[u64]) -> Entry {
        let lines: Vec<String> = lines.iter().map(u64::to_string).collect();
        Entry {
            from,
            channel,
            first,
            lines: lines.join("\n").into(),
        }
    }

    fn lines(events: &[BusEvent]) -> Vec<u64> {
        let line = |event: &BusEvent| match event {
            BusEvent::Message { body, .. } => Some(body.parse().unwrap()),
            BusEvent::Up | BusEvent::Away | BusEvent::Broken(_) => None,
        };
        events.iter().filter_map(line).collect()
    }

    fn is_broken(events: &[BusEvent], from: NodeId) -> bool {
        events.contains(&BusEvent::Broken(from))
    }

    proptest! {
        /// Whatever Redis loses or gives twice: what arrives between two breaks is a stretch of what was sent, in order.
        #[test]
        fn between_two_breaks_nothing_is_missing(
            sent in proptest::collection::vec((1_usize..4, any::<bool>(), 0_u8..4, prop::bool::weighted(0.1)), 0..60),
        ) {
            let from = NodeId::new();
            let (mut inbox, mut channel) = (Inbox::default(), Uuid::new_v4());
            let (mut line, mut place, mut before) = (0_u64, 0_u64, None);
            let mut arrived = Vec::new();
            for (count, is_lost, again, breaks) in sent {
                if breaks {
                    (channel, place) = (Uuid::new_v4(), 0);
                }
                let of_entry: Vec<u64> = (line..).take(count).collect();
                let entry = entry(from, channel, place, &of_entry);
                line += count as u64;
                place += count as u64;
                if is_lost && again == 0 {
                    continue;
                }
                arrived.push(entry.clone());
                if again == 1 {
                    arrived.push(entry);
                }
            }
            for entry in arrived {
                let events = inbox.take(&entry);
                for number in lines(&events) {
                    if let Some(before) = before.filter(|_| !is_broken(&events, from)) {
                        prop_assert_eq!(number, before + 1);
                    } else if let Some(before) = before {
                        prop_assert!(number > before);
                    }
                    before = Some(number);
                    if is_broken(&events, from) {
                        // What follows in the same entry follows the first of it.
                        break;
                    }
                }
                before = lines(&events).last().copied().or(before);
            }
        }
    }

    #[test]
    fn a_gap_a_new_channel_and_a_missed_beginning_are_breaks() {
        let (from, other) = (NodeId::new(), NodeId::new());
        let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
        let mut inbox = Inbox::default();
        assert!(!is_broken(&inbox.take(&entry(from, one, 0, &[0, 1])), from));
        assert_eq!(lines(&inbox.take(&entry(from, one, 0, &[0, 1]))), [0_u64; 0]);
        assert_eq!(lines(&inbox.take(&entry(from, one, 1, &[1, 2]))), [2]);
        let gap = inbox.take(&entry(from, one, 5, &[5]));
        assert!(is_broken(&gap, from) && lines(&gap) == [5]);
        assert!(is_broken(&inbox.take(&entry(from, two, 0, &[7])), from));
        assert!(is_broken(&inbox.take(&entry(other, one, 3, &[3])), other));
        inbox.keep(&[other]);
        assert!(!is_broken(&inbox.take(&entry(from, one, 0, &[0])), from));
    }
}

//! Which readings are kept.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::reading::Reading;

/// Between two readings of the last hour.
pub(super) const FINE: Duration = Duration::from_secs(5);
/// Between two readings of the last day.
pub(super) const COARSE: Duration = Duration::from_secs(60);
/// For how long every reading is kept.
pub(super) const FINE_KEPT: Duration = Duration::from_secs(3_600);

/// An hour with both of its ends, and before it the longest stretch that is made of these, half a minute.
const FINE_MAX: usize = 728;
/// A day likewise; the longest stretch is a quarter of an hour.
const COARSE_MAX: usize = 1_457;

/// The readings of the last hour, and one a minute of those of the last day; the oldest first.
#[derive(Debug, Default)]
pub(super) struct Rings {
    fine: VecDeque<Reading>,
    coarse: VecDeque<Reading>,
}

impl Rings {
    /// Keeps a reading, which is later than all before it. What each agent did is kept by the minute only.
    pub(super) fn keep(&mut self, mut reading: Reading) {
        let is_due = self.coarse.back().is_none_or(|last| minute(&reading) > minute(last));
        if is_due {
            if let Some(last) = self.coarse.back()
                && last.agents == reading.agents
            {
                reading.agents = Arc::clone(&last.agents); // A server that has nothing to do keeps them once.
            }
            push(&mut self.coarse, COARSE_MAX, reading.clone());
        }
        reading.agents = Arc::new([]);
        push(&mut self.fine, FINE_MAX, reading);
    }

    /// The last reading of the last day that is no later than `at`, or else the first of it.
    pub(super) fn before(&self, at: Duration) -> Option<&Reading> {
        let fine = self.fine.iter().rev().find(|reading| reading.at <= at);
        fine.or_else(|| self.coarse_before(at))
    }

    /// The same of the readings that know what each agent did.
    pub(super) fn coarse_before(&self, at: Duration) -> Option<&Reading> {
        let found = self.coarse.iter().rev().find(|reading| reading.at <= at);
        found.or_else(|| self.coarse.front())
    }

    /// The begin and the end of each stretch of `step` that ends no earlier than `from`, the oldest first. Stretches lie at whole multiples of
    /// their length, so that the same are found however often one asks; those are left out of which an end was not read in time.
    pub(super) fn pairs(&self, step: Duration, from: Duration) -> Vec<(&Reading, &Reading)> {
        let ring = if step < COARSE { &self.fine } else { &self.coarse };
        let steps = step.as_secs() / FINE.as_secs();
        let ends: Vec<&Reading> = ring
            .iter()
            .filter(|reading| tick(reading).is_multiple_of(steps) && reading.at + step >= from)
            .collect();
        let is_whole = |from: &Reading, to: &Reading| tick(to) - tick(from) == steps;
        ends.windows(2)
            .filter(|ends| is_whole(ends[0], ends[1]))
            .map(|ends| (ends[0], ends[1]))
            .collect()
    }
}

/// The number of a reading, from 0 at the start.
pub(super) fn tick(reading: &Reading) -> u64 {
    let ticks = (reading.at + FINE / 2).as_millis() / FINE.as_millis();
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

fn minute(reading: &Reading) -> u64 {
    tick(reading) * FINE.as_secs() / COARSE.as_secs()
}

fn push(ring: &mut VecDeque<Reading>, max: usize, reading: Reading) {
    while ring.len() >= max {
        ring.pop_front();
    }
    ring.push_back(reading);
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{BuildInfo, Metrics};

    /// Readings at these seconds.
    fn kept(seconds: impl IntoIterator<Item = f64>) -> Rings {
        let metrics = Metrics::new(&BuildInfo::default());
        let mut rings = Rings::default();
        for at in seconds {
            let reading = Reading::of(&metrics, Duration::from_secs_f64(at), SystemTime::UNIX_EPOCH);
            rings.keep(reading);
        }
        rings
    }

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn found(rings: &Rings, step: u64, from: u64) -> Vec<(u64, u64)> {
        let pairs = rings.pairs(seconds(step), seconds(from));
        pairs.iter().map(|(a, b)| (a.at.as_secs(), b.at.as_secs())).collect()
    }

    #[test]
    fn a_day_and_more_stays_within_its_bounds() {
        let rings = kept((0..20_000).map(|tick| f64::from(tick) * 5.0));
        assert_eq!((rings.fine.len(), rings.coarse.len()), (FINE_MAX, COARSE_MAX));
        let last = 19_999 * 5;
        assert_eq!(rings.before(seconds(last - 7)).unwrap().at, seconds(last - 10));
        let day = rings.coarse_before(seconds(last - 86_400)).unwrap().at;
        assert!(day <= seconds(last - 86_400) && day > seconds(last - 86_460), "{day:?}");
        assert_eq!(found(&rings, 600, last - 86_400).len(), 144);
        assert_eq!(found(&rings, 30, last - 3_600).len(), 120);
    }

    #[test]
    fn stretches_lie_at_multiples_of_their_length() {
        let rings = kept((0..=26).map(|tick| f64::from(tick) * 5.0 + 0.3));
        assert_eq!(found(&rings, 30, 60), [(30, 60), (60, 90), (90, 120)]);
        assert_eq!(found(&rings, 60, 0), [(0, 60), (60, 120)]);
        assert!(found(&rings, 300, 0).is_empty());
    }

    #[test]
    fn where_nobody_looked_there_is_no_figure() {
        // Stood still from 20 s to 71 s.
        let rings = kept([0.0, 5.0, 10.0, 15.0, 20.0, 71.0, 75.0, 80.0]);
        assert_eq!(found(&rings, 10, 0), [(0, 10), (10, 20), (71, 80)]);
        assert!(found(&rings, 60, 0).is_empty());
    }

    #[test]
    fn a_young_server_has_its_start_for_everything_earlier() {
        let rings = kept([0.0, 5.0]);
        assert_eq!(rings.before(seconds(3)).unwrap().at, seconds(0));
        assert!(kept([]).before(seconds(3)).is_none());
    }
}

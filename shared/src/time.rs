//! The one shape of a point in time: RFC 3339, UTC, milliseconds.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Invalid;

/// A point in time, in UTC, to the millisecond; on the wire `2026-01-31T08:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[schema(value_type = String, format = DateTime)]
pub struct Timestamp(#[cfg_attr(test, ts(type = "string"))] DateTime<Utc>);

impl Timestamp {
    /// The present, cut to the millisecond.
    #[must_use]
    pub fn now() -> Self {
        Self(Utc::now().trunc_subsecs(3))
    }

    /// From milliseconds since 1970-01-01T00:00:00Z; beyond what a calendar can hold, its last instant.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// The first instants of its month and of the next one, in UTC.
    #[must_use]
    pub fn month(self) -> (Self, Self) {
        let first = |year: i32, month: u32| {
            let day = NaiveDate::from_ymd_opt(year, month, 1).unwrap_or(NaiveDate::MAX);
            Self(day.and_time(NaiveTime::MIN).and_utc())
        };
        let (year, month) = (self.0.year(), self.0.month());
        let next = if month == 12 {
            first(year.saturating_add(1), 1)
        } else {
            first(year, month + 1)
        };
        (first(year, month), next)
    }

    /// Milliseconds from `earlier` to this; 0 where `earlier` is later.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.as_millis() - earlier.as_millis()).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        DateTime::parse_from_rfc3339(text)
            .map(|at| at.to_utc().into())
            .map_err(|_| Invalid::new("must be a time of RFC 3339, such as 2026-01-31T08:00:00.000Z"))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.trunc_subsecs(3))
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(at: Timestamp) -> Self {
        at.0
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The text at once: by way of `Display` it would be copied twice more, and every event has several times.
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DateTime::<Utc>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_survive_the_wire() {
        let at = Timestamp::from_millis(1_767_225_600_007);
        assert_eq!(serde_json::to_string(&at).unwrap(), "\"2026-01-01T00:00:00.007Z\"");
        assert_eq!(
            serde_json::from_str::<Timestamp>("\"2026-01-01T01:00:00.0074+01:00\"").unwrap(),
            at
        );
    }
}

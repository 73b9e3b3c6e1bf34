//! In how long a budget may be spent.

use orchestratai_shared::Timestamp;

/// Parts of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// It never begins anew.
    Endless,
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to that of the next.
    Month,
}

const HOUR_MILLIS: i64 = 3_600_000;

impl Window {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Endless, Self::Hour, Self::Day, Self::Month];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Endless => "none",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// When the one that `at` lies in began, and when the next one begins. One without end began in 1970.
    #[must_use]
    pub fn around(self, at: Timestamp) -> (Timestamp, Option<Timestamp>) {
        let of = |length: i64| {
            let start = at.as_millis().div_euclid(length) * length;
            (
                Timestamp::from_millis(start),
                Some(Timestamp::from_millis(start + length)),
            )
        };
        match self {
            Self::Endless => (Timestamp::from_millis(0), None),
            Self::Hour => of(HOUR_MILLIS),
            Self::Day => of(24 * HOUR_MILLIS),
            Self::Month => {
                let (start, end) = at.month();
                (start, Some(end))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_parts_of_the_calendar() {
        let at: Timestamp = "2024-02-29T23:59:59.999Z".parse().unwrap();
        let next = Timestamp::from_millis(at.as_millis() + 1);
        for (window, start, end) in [
            (Window::Hour, "2024-02-29T23:00:00.000Z", "2024-03-01T00:00:00.000Z"),
            (Window::Day, "2024-02-29T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
            (Window::Month, "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
        ] {
            let (began, ends) = window.around(at);
            assert_eq!((began.to_string().as_str(), ends), (start, Some(end.parse().unwrap())));
            assert_eq!(
                window.around(next).0,
                next,
                "{window:?}: the next begins where this one ends"
            );
        }
        let december: Timestamp = "2025-12-31T12:00:00Z".parse().unwrap();
        assert_eq!(
            Window::Month.around(december).1.unwrap().to_string(),
            "2026-01-01T00:00:00.000Z"
        );
        assert_eq!(Window::Endless.around(at), Window::Endless.around(december));
    }
}

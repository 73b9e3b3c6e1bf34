//! How deeply JSON may be nested that comes from outside and is kept as it is.

use serde_json::Value;

/// Levels of arrays and objects in a value that stands in an event. JSON is read to a depth of 128 and written to any: what stands in an event, a
/// record of the journal and a message between nodes has to be far enough below that to be read again there.
pub const LEVELS_MAX: usize = 64;

/// Whether a value has no more than [`LEVELS_MAX`] levels of arrays and objects.
#[must_use]
pub fn is_within_levels(value: &Value) -> bool {
    fn fits(value: &Value, left: usize) -> bool {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
            Value::Array(items) => left > 0 && items.iter().all(|item| fits(item, left - 1)),
            Value::Object(fields) => left > 0 && fields.values().all(|value| fits(value, left - 1)),
        }
    }
    fits(value, LEVELS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, level| match level % 2 {
            0 => Value::Array(vec![inner]),
            _ => serde_json::json!({ "in": inner }),
        })
    }

    #[test]
    fn levels_are_counted() {
        assert!(is_within_levels(&nested(0)));
        assert!(is_within_levels(&nested(LEVELS_MAX)));
        assert!(!is_within_levels(&nested(LEVELS_MAX + 1)));
    }
}

//! The fields of a body or a query: each is judged, and all that are not valid are named at once.

use orchestratai_shared::{FieldError, Invalid};
use serde_json::{Map, Value};

use crate::error::ApiError;

/// Fields that have not been read yet, and what was wrong with those that have.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    pub(crate) fn of(values: Map<String, Value>) -> Self {
        Self {
            values,
            errors: Vec::new(),
        }
    }

    /// The parameters of a query string. A name that stands there twice is not valid; unknown ones are ignored.
    pub(crate) fn of_query(query: &str, known: &[&str]) -> Self {
        let mut fields = Self::default();
        let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(query);
        for (name, value) in pairs.map(actix_web::web::Query::into_inner).unwrap_or_default() {
            if !known.contains(&name.as_str()) {
                continue;
            }
            if fields.values.insert(name.clone(), Value::String(value)).is_some() {
                fields.errors.push(Invalid::new("must stand there once").at(name));
            }
        }
        fields
    }

    /// Whether a field is there, be it as `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A field that must be there; `None` where it is not, or not valid, which [`Self::finish`] will say.
    pub(crate) fn required<T>(&mut self, name: &str, parse: impl FnOnce(Value) -> Result<T, Invalid>) -> Option<T> {
        match self.values.remove(name) {
            None => {
                self.errors.push(Invalid::new("is required").at(name));
                None
            }
            Some(value) => self.keep(name, parse(value)),
        }
    }

    /// A field that may be left out; `null` says the same, as in the frames of a socket.
    pub(crate) fn optional<T>(&mut self, name: &str, parse: impl FnOnce(Value) -> Result<T, Invalid>) -> Option<T> {
        let value = self.values.remove(name).filter(|value| !value.is_null())?;
        self.keep(name, parse(value))
    }

    /// Takes a value from elsewhere, such as a header, into the same judgement.
    pub(crate) fn keep<T>(&mut self, name: &str, parsed: Result<T, Invalid>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.errors.push(invalid.at(name));
                None
            }
        }
    }

    /// Gives what was read, if all of it is valid.
    ///
    /// # Errors
    /// A validation error that names every field that is not. `read` gives `None` only where a required one is missing,
    /// and then that has been noted.
    pub(crate) fn finish<T>(self, read: Option<T>) -> Result<T, ApiError> {
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            Some(_) | None => Err(ApiError::invalid(self.errors)),
        }
    }
}

/// A string.
pub(crate) fn text(value: Value) -> Result<String, Invalid> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Invalid::new("must be a string"))
        }
    }
}

/// A text to look for, of at most 200 characters; none where it is white space alone.
pub(crate) fn searched(value: Value) -> Result<Option<String>, Invalid> {
    const CHARACTERS_MAX: usize = 200;
    let text = text(value)?;
    if text.chars().count() > CHARACTERS_MAX {
        return Err(Invalid::new(format!(
            "must be at most {CHARACTERS_MAX} characters long"
        )));
    }
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// A string that parses as `T`, such as an id.
pub(crate) fn parsed<T: std::str::FromStr<Err = Invalid>>(value: Value) -> Result<T, Invalid> {
    text(value)?.parse()
}

/// `true` or `false`.
pub(crate) fn flag(value: Value) -> Result<bool, Invalid> {
    value.as_bool().ok_or_else(|| Invalid::new("must be true or false"))
}

/// The largest `seq` that may be named: 2^63 - 1, what a signed 64-bit integer of any client and database holds.
pub(crate) const SEQ_MAX: u64 = i64::MAX.unsigned_abs();

/// A whole number from `min` to `max`, as JSON or, in a query, as digits.
pub(crate) fn whole(min: u64, max: u64) -> impl FnOnce(Value) -> Result<u64, Invalid> {
    move |value| {
        let number = match &value {
            // 22.0 is as whole as 22: JSON has one kind of number.
            Value::Number(number) => number.as_u64().or_else(|| whole_float(number.as_f64()?)),
            Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        };
        number
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| Invalid::new(format!("must be a whole number from {min} to {max}")))
    }
}

/// A float that is a whole number, in the range where floats hold each of them.
fn whole_float(number: f64) -> Option<u64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let is_whole = number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole, not negative, and exact"
    )]
    is_whole.then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_is_wrong_is_named_at_once() {
        let Value::Object(values) = json!({"a": 1, "c": "x", "d": null, "unknown": {}}) else {
            unreachable!()
        };
        let mut fields = Fields::of(values);
        let a = fields.required("a", text);
        let b = fields.required("b", text);
        let c = fields.optional("c", flag);
        let d = fields.optional("d", flag);
        assert_eq!((a, b, c, d), (None, None, None, None));
        let error = fields.finish(Some(())).unwrap_err();
        let named: Vec<_> = error.details.iter().map(|detail| detail.field.as_str()).collect();
        assert_eq!(named, ["a", "b", "c"]);
    }

    #[test]
    fn a_number_keeps_to_its_bounds_in_json_and_in_a_query() {
        for good in [json!(1), json!(50), json!(50.0), json!("50")] {
            assert!(whole(1, 50)(good.clone()).is_ok(), "{good}");
        }
        for bad in [
            json!(0),
            json!(51),
            json!(1.5),
            json!("+1"),
            json!(""),
            json!("1e1"),
            json!(null),
            json!(-1),
        ] {
            assert!(whole(1, 50)(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_parameter_stands_there_once() {
        let mut fields = Fields::of_query("limit=1&x=2&limit=2&x=%FF", &["limit"]);
        fields.optional("limit", whole(1, 9));
        assert_eq!(fields.finish(Some(())).unwrap_err().details[0].field, "limit");
    }
}
